"""A pretrained encoder is fine-tuned whole; only its head begins with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel

from ted_core.errors import ProxyMismatch
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build, weights_digest
from ted_core.proxies.pretrained.encoder import encoder, mean_over, pooled_encoder
from ted_core.proxies.pretrained.tokens import TokenBatch
from ted_core.training.token_batches import TokenBatches
from ted_core.training.trainer import fit
from tests.ted_core.proxies.pretrained import reviews
from tests.ted_core.proxies.pretrained.models import WIDTH, tiny_encoder, tiny_vision_model

TEXTS = reviews.samples(["a film", "the plot was not very good , so so dull", "great"])


def batch(folder: Path, *rows: int) -> TokenBatch:
    [(inputs, _)] = TokenBatches(TEXTS, folder).in_order(np.array(rows))
    assert isinstance(inputs, TokenBatch)
    return inputs


def proxy(folder: Path, **options: int | float) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": "encoder", "model": str(folder)} | options))


def test_a_text_becomes_the_mean_of_what_the_model_makes_of_its_tokens(encoder_folder: Path) -> None:
    inputs, model = batch(encoder_folder, 1), encoder(encoder_folder, 3)

    logits = model(inputs)

    hidden = AutoModel.from_pretrained(encoder_folder).eval()(inputs.ids).last_hidden_state
    head = model.get_submodule("1")
    torch.testing.assert_close(logits, head(hidden.mean(1)))
    assert logits.shape == (1, 3)


def test_padding_changes_nothing(encoder_folder: Path) -> None:
    model = encoder(encoder_folder, 2)

    alone, among_others = model(batch(encoder_folder, 0)), model(batch(encoder_folder, 1, 0, 2))

    torch.testing.assert_close(alone[0], among_others[1])


def test_the_mean_leaves_padding_out() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])

    assert mean_over(hidden, torch.tensor([[True, True, False]])).tolist() == [[2.0, 3.0]]


def test_which_text_of_a_pair_a_token_belongs_to_matters(encoder_folder: Path) -> None:
    [(inputs, _)] = TokenBatches(reviews.samples(["a film"], ["the play"]), encoder_folder).in_order(np.arange(1))

    model = encoder(encoder_folder, 2)

    assert not torch.allclose(model(inputs), model(inputs._replace(types=1 - inputs.types)))


def test_the_seed_decides_the_head_and_nothing_else(encoder_folder: Path) -> None:
    first, again, other = (build(proxy(encoder_folder), TEXTS, seed=seed) for seed in (1, 1, 2))

    assert weights_digest(first) == weights_digest(again) != weights_digest(other)
    differing = {name for name, value in first.state_dict().items() if not torch.equal(value, other.state_dict()[name])}
    assert differing == {"1.weight", "1.bias"}


def test_two_models_share_no_weights(encoder_folder: Path) -> None:
    first, other = encoder(encoder_folder, 2), encoder(encoder_folder, 2)

    with torch.no_grad():
        for value in first.parameters():
            value.zero_()

    assert all(value.any() for value in other.get_submodule("0").parameters() if value.ndim > 1)


def test_everything_is_trained(encoder_folder: Path) -> None:
    model = encoder(encoder_folder, 2).train()

    model(batch(encoder_folder, 0, 1)).sum().backward()

    assert [name for name, value in model.named_parameters() if value.grad is None] == []


def test_training_draws_nothing_at_random(encoder_folder: Path) -> None:
    model, inputs = encoder(encoder_folder, 2).train(), batch(encoder_folder, 0, 1)

    first, again = model(inputs), model(inputs)

    assert any(isinstance(part, nn.Dropout) and part.p for part in model.modules())
    assert torch.equal(first, again)


def test_it_learns_which_words_are_kind(encoder_folder: Path) -> None:
    reading = proxy(encoder_folder, epochs=8, batch_size=16, learning_rate=3e-3)

    fitted = fit(reviews.reviews(200), np.arange(200), proxy=reading, seed=0)

    assert fitted.accuracy(reviews.reviews(200, seed=1)) > 0.9


def test_a_model_of_images_encodes_no_texts(tmp_path: Path) -> None:
    with pytest.raises(ProxyMismatch, match="type vit does not encode input_ids") as refused:
        encoder(tiny_vision_model(tmp_path), 2)

    assert refused.value.field == "proxy.model"


def test_a_head_is_as_wide_as_its_encoder(tmp_path: Path) -> None:
    head = encoder(tiny_encoder(tmp_path), 5).get_submodule("1")

    assert head.weight.shape == (5, WIDTH)


def test_a_device_that_multiplies_bfloat16_gives_nearly_the_same_vectors(
    encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inputs = pooled_encoder(encoder_folder).eval(), batch(encoder_folder, 0, 1, 2)
    exact = model(inputs)

    monkeypatch.setattr("ted_core.proxies.pretrained.encoder.multiplies_bfloat16", lambda _: True)
    rounded = model(inputs)

    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    assert torch.nn.functional.cosine_similarity(rounded, exact).min() > 0.999
