"""Proxies that train the last blocks of a pretrained model alone, on hidden states that the others have made once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoModel,
    AutoModelForCausalLM,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ted_core.datasets import Samples
from ted_core.errors import DatasetTooLarge, ProxyMismatch, SettingUnsuited, TooManyBlocks
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build, parameter_count
from ted_core.proxies.pretrained.blocks import FrozenBlocks
from ted_core.proxies.pretrained.lora import ALPHA, adapter
from ted_core.proxies.pretrained.tokens import TokenBatch
from ted_core.proxies.pretrained_settings import MOST_REMEMBERED_BLOCKS, RANK
from ted_core.selection.prune import prune
from ted_core.training.features import prepare_samples
from ted_core.training.trainer import batches_of, fit
from tests.ted_core.proxies.pretrained import reviews
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model
from tests.ted_core.proxies.pretrained.models import tiny_encoder, word_tokenizer
from tests.ted_core.proxies.pretrained.test_lora import dialogues

BLOCKS, STEPS, RATE = 4, 4, 1e-2
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of four blocks; to be read, not changed."""
    return tiny_language_model(tmp_path_factory.mktemp("language") / "model", layers=BLOCKS)


def proxy(folder: Path, *, name: str = "lora", **settings: Any) -> ResolvedProxy:
    return resolve_proxy(ProxySpec(name=name, model=str(folder), epochs=3, batch_size=8, **settings))


def learned_losses(model: nn.Module, loss: Callable[[], Tensor]) -> list[float]:
    """The loss before each of a few steps of training, and after the last."""
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=RATE)
    losses = []
    for _ in range(STEPS + 1):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        losses.append(value.item())
        optimizer.step()
    return losses


# --- the same as without hidden states --------------------------------------------------------------------------------


@pytest.mark.parametrize("train_blocks", [1, 2, 3])
def test_an_adapter_of_the_last_blocks_learns_as_one_that_calculates_all_of_them(
    folder: Path, train_blocks: int
) -> None:
    asked, samples = proxy(folder, train_blocks=train_blocks), dialogues(8)
    [(batch, answers)] = batches_of(prepare_samples(samples, asked), asked).in_order(np.arange(8))
    model = build(asked, samples, seed=3).train()

    plain = every_block_calculated(folder, train_blocks, like=model)

    assert batch.hidden is not None
    ours = learned_losses(model, lambda: cross_entropy(model(batch), answers.tokens))
    assert ours == pytest.approx(
        learned_losses(plain, lambda: cross_entropy(said_by(plain, batch), answers.tokens)), rel=1e-4
    )
    assert ours[-1] < ours[0]


def every_block_calculated(folder: Path, train_blocks: int, *, like: nn.Module) -> nn.Module:
    """The whole language model with adapters in its last blocks, whose weights are copies of another's."""
    places = list(range(BLOCKS - train_blocks, BLOCKS))
    lora = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=LINEAR, layers_to_transform=places)
    plain = inject_adapter_in_model(lora, LlamaForCausalLM.from_pretrained(folder))
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            if weight.requires_grad:
                weight.copy_(like.get_parameter("weights." + name.replace(".", "/")))
    return plain


def said_by(model: nn.Module, batch: TokenBatch) -> Tensor:
    logits: Tensor = model(input_ids=batch.ids, attention_mask=batch.mask).logits[batch.predicts]
    return logits


def test_an_encoders_last_blocks_learn_as_if_the_others_were_calculated_with_them(tmp_path: Path) -> None:
    folder, samples = tiny_encoder(tmp_path / "bert", num_hidden_layers=3), reviews.pairs(8)
    asked = proxy(folder, name="encoder", train_blocks=2)
    [(batch, labels)] = batches_of(prepare_samples(samples, asked), asked).in_order(np.arange(8))
    model = build(asked, samples, seed=3).train()

    plain, head = whole_encoder(folder, like=model)

    def loss_of_all() -> Tensor:
        hidden = plain(input_ids=batch.ids, attention_mask=batch.mask.long(), token_type_ids=batch.types)[0]
        return cross_entropy(head((hidden * batch.mask[..., None]).sum(1) / batch.mask.sum(1)[:, None]), labels)

    ours = learned_losses(model, lambda: cross_entropy(model(batch), labels))
    both = nn.ModuleList([plain, head])
    assert ours == pytest.approx(learned_losses(both, loss_of_all), rel=1e-4)
    assert ours[-1] < ours[0]


def whole_encoder(folder: Path, *, like: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """The encoder, of which the last two blocks can be trained, and a copy of another's head."""
    plain, head = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval(), nn.Linear(32, 2)
    head.load_state_dict(like[-1].state_dict())
    plain.requires_grad_(False)
    plain.encoder.layer[1:].requires_grad_(True)
    return plain, head


SHAPE = {"vocab_size": 320, "num_hidden_layers": 3, "max_position_embeddings": 128}
GPT2 = {"vocab_size": 320, "n_layer": 3, "n_embd": 32, "n_head": 4, "n_positions": 128}
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gpt2", GPT2),
        ("qwen2", SHAPE | SIZES),
        ("gemma2", SHAPE | SIZES | {"sliding_window": 4}),
        ("phi3", SHAPE | SIZES | {"pad_token_id": 1}),
        ("gpt_neox", SHAPE | {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}),
    ],
)
def test_language_models_of_many_kinds_can_be_cut(kind: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**settings)).eval()

    with torch.inference_mode():
        FrozenBlocks(model, 2).require_enough(padded())
        hidden = FrozenBlocks(model, 2)(padded())

    assert hidden.shape == (2, 9, 32)


def padded() -> TokenBatch:
    """Two dialogues of nine and six tokens."""
    ids = torch.randint(2, 320, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(9) < torch.tensor([9, 6])[:, None]
    return TokenBatch(ids, mask, None, mask)


class SkippingConfig(PreTrainedConfig):
    model_type = "skipping"
    num_hidden_layers: int = 3


class Skipping(PreTrainedModel):
    """A model whose last block also sees what the first has made."""

    config_class = SkippingConfig

    def __init__(self) -> None:
        super().__init__(SkippingConfig())
        self.embedding, self.blocks = nn.Embedding(320, 8), nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, input_ids: Tensor, **_: Any) -> SimpleNamespace:
        first = self.blocks[0](self.embedding(input_ids))
        return SimpleNamespace(last_hidden_state=self.blocks[2](self.blocks[1](first) + first))


def test_a_model_whose_last_blocks_need_more_than_hidden_states_is_refused() -> None:
    with pytest.raises(ProxyMismatch, match="skipping need more than hidden states") as refused, torch.inference_mode():
        FrozenBlocks(Skipping(), 1).require_enough(padded())

    assert refused.value.field == "proxy.train_blocks"


def test_a_model_that_repeats_one_block_is_refused(tmp_path: Path) -> None:
    config = AlbertConfig(vocab_size=30, embedding_size=8, hidden_size=32, num_attention_heads=2, intermediate_size=32)
    AlbertModel(config).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(ProxyMismatch, match="albert does not show its blocks"):
        build(proxy(tmp_path, name="encoder", train_blocks=1), reviews.reviews(8), seed=0)


# --- what is trained and remembered -----------------------------------------------------------------------------------


def test_all_blocks_are_those_of_the_whole_model(folder: Path) -> None:
    every = proxy(folder, train_blocks=BLOCKS)
    samples = dialogues()

    whole, last = (fit(samples, np.arange(len(samples)), proxy=one, seed=0) for one in (proxy(folder), every))

    assert every.frozen_blocks == 0
    assert prepare_samples(samples, every) is samples
    assert whole.accuracy(samples) == last.accuracy(samples)


def test_only_the_last_blocks_have_adapters(folder: Path) -> None:
    whole, last = adapter(folder, 0), adapter(folder, 0, train_blocks=1)

    assert parameter_count(last) == parameter_count(whole) / BLOCKS
    assert all("/layers/3/" in name for name in last.state_dict())


def test_many_blocks_are_calculated_again_on_the_way_back_and_few_are_not(tmp_path: Path) -> None:
    deep = tiny_language_model(tmp_path, layers=MOST_REMEMBERED_BLOCKS + 2)

    few, many = (adapter(deep, 0, train_blocks=MOST_REMEMBERED_BLOCKS + more) for more in (0, 1))

    assert not few.network.is_activation_checkpointing
    assert many.network.is_activation_checkpointing


# --- hidden states on disk --------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The batches whose hidden states are made, each with its number of samples."""
    batches: list[int] = []
    plain = FrozenBlocks.forward

    def forward(blocks: FrozenBlocks, batch: TokenBatch) -> Tensor:
        batches.append(len(batch.ids))
        return plain(blocks, batch)

    monkeypatch.setattr(FrozenBlocks, "forward", forward)
    return batches


def test_hidden_states_are_made_once_and_then_mapped_from_the_cache(
    folder: Path, tmp_path: Path, made: list[int]
) -> None:
    samples, asked = replace(dialogues(), cache=tmp_path), proxy(folder, train_blocks=1)
    fresh = prepare_samples(dialogues(), asked).hidden

    first = prepare_samples(samples, asked)
    calculated = len(made)
    again = prepare_samples(samples, asked)

    assert len(made) == calculated
    assert isinstance(again.hidden, np.memmap)
    assert np.array_equal(first.hidden, again.hidden)
    assert np.array_equal(fresh, again.hidden)
    assert prepare_samples(again, asked) is again


@pytest.mark.parametrize("other", [{"train_blocks": 2}, {"seed": 1}, {"rows": 12}])
def test_other_blocks_models_and_texts_have_hidden_states_of_their_own(
    folder: Path, tmp_path: Path, other: dict[str, int]
) -> None:
    model = tiny_language_model(tmp_path / "other", layers=BLOCKS, seed=1) if "seed" in other else folder
    samples = replace(dialogues(), cache=tmp_path / "cache")
    prepare_samples(samples, proxy(folder, train_blocks=1))

    changed = replace(dialogues(other.get("rows", len(samples))), cache=tmp_path / "cache")
    prepare_samples(changed, proxy(model, train_blocks=other.get("train_blocks", 1)))

    assert len([*(tmp_path / "cache").glob("*.hidden.npy")]) == 2


def test_hidden_states_that_the_cache_has_no_room_for_are_refused_before_they_are_made(
    folder: Path, tmp_path: Path, made: list[int]
) -> None:
    samples = replace(dialogues(), cache=tmp_path, cache_bytes=10_000)

    with pytest.raises(DatasetTooLarge, match="10,000") as refused:
        prepare_samples(samples, proxy(folder, train_blocks=1))

    assert refused.value.field == "proxy.train_blocks"
    assert made == []


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", ["lora", "encoder"])
def test_the_last_blocks_prune_and_equal_seeds_keep_equal_rows(
    folder: Path, encoder_folder: Path, tmp_path: Path, name: str, cached: bool
) -> None:
    samples: Samples = dialogues() if name == "lora" else reviews.reviews(24)
    asked = proxy(folder if name == "lora" else encoder_folder, name=name, train_blocks=1)
    run = partial(prune, plan=PruningPlan(keep_ratio=0.5, seed=5), proxy=asked)

    first = [*run(samples)][-1]
    again = [*run(replace(samples, cache=tmp_path) if cached else samples)][-1]

    assert first.retained.sum() == 12
    assert first.retained.tolist() == again.retained.tolist()
    assert np.array_equal(first.margin, again.margin)


# --- what cannot be asked for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lora", "encoder"])
def test_more_blocks_than_there_are_are_refused_with_their_number(
    folder: Path, encoder_folder: Path, name: str
) -> None:
    model, blocks = (folder, BLOCKS) if name == "lora" else (encoder_folder, 2)

    with pytest.raises(TooManyBlocks, match=f"train_blocks of 9.* {blocks} blocks") as refused:
        proxy(model, name=name, train_blocks=9)

    assert refused.value.field == "proxy.train_blocks"


def test_blocks_that_the_files_do_not_show_are_counted_when_the_model_is_built(folder: Path) -> None:
    with pytest.raises(TooManyBlocks, match=f"there are {BLOCKS}"):
        adapter(folder, 0, train_blocks=9)


@pytest.mark.parametrize("name", ["mlp", "frozen-encoder"])
def test_a_proxy_that_trains_no_pretrained_blocks_cannot_train_the_last(name: str, encoder_folder: Path) -> None:
    with pytest.raises(SettingUnsuited, match=f"{name} trains no blocks") as refused:
        resolve_proxy(ProxySpec(name=name, train_blocks=1))

    assert refused.value.field == "proxy.train_blocks"
