"""Instructions are drawn once for all seeds, and methods are compared answer by answer."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.instructions.instruction_data import FILE, InstructionData, Sizes, losses, read, untrained_model
from benchmarks.instructions.methods import random_rows_of_equal_length, ted_rows
from benchmarks.instructions.tables import section
from ted_core.datasets.samples import Dialogues
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from tests.ted_core.proxies.pretrained.language_models import tiny_language_model

SIZES = Sizes(rows=32, test_rows=8, longest=70)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> ResolvedProxy:
    model = tiny_language_model(tmp_path_factory.mktemp("language") / "model")
    return resolve_proxy(ProxySpec(name="lora", model=str(model), epochs=2, train_blocks=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sums with answers of several lengths, and one whose answer is far too long."""
    answers = [f"The sum is {row}" + ", I think" * (row % 4) for row in range(50)] + ["Well, " * 99]
    records = [{"instruction": f"Add {row}.", "input": "", "output": answer} for row, answer in enumerate(answers)]
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(json.dumps(records))
    return tmp_path


def data(folder: Path, proxy: ResolvedProxy, *, seed: int = 0) -> InstructionData:
    train, test = read(folder, SIZES, proxy, cache=folder / "cache")
    return InstructionData(train, test, proxy, seed, 0.5, folder / "selections")


def test_short_instructions_are_drawn_and_none_is_in_both_parts(folder: Path, proxy: ResolvedProxy) -> None:
    drawn = data(folder, proxy)

    turns = [part.inputs.turns.to_pylist() for part in (drawn.train, drawn.test) if isinstance(part.inputs, Dialogues)]
    asked = [{dialogue[0]["content"] for dialogue in part} for part in turns]
    assert [len(part) for part in asked] == [32, 8]
    assert not asked[0] & asked[1]
    assert "Add 50." not in asked[0] | asked[1]


def test_every_seed_finds_the_same_hidden_states_and_a_selection_is_found_again(
    folder: Path, proxy: ResolvedProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = data(folder, proxy).selected("ted", ted_rows)
    monkeypatch.delattr("ted_core.training.hidden_states._fill")
    monkeypatch.delattr("benchmarks.instructions.instruction_data.prune")

    again, other_seed = data(folder, proxy), data(folder, proxy, seed=1)

    assert kept.sum() == 16
    assert np.array_equal(again.selected("ted", ted_rows), kept)
    assert np.array_equal(other_seed.train.hidden, again.train.hidden)


def test_rows_as_long_as_teds_have_answers_of_the_same_lengths_and_are_others(
    folder: Path, proxy: ResolvedProxy
) -> None:
    drawn = data(folder, proxy)

    ours, theirs = (drawn.selected(select.__name__, select) for select in (random_rows_of_equal_length, ted_rows))

    means = [drawn.answer_lengths[kept].mean() for kept in (ours, theirs)]
    assert ours.sum() == theirs.sum() == 16
    assert means[0] == pytest.approx(means[1], rel=0.1)
    assert not np.array_equal(ours, theirs)


def test_a_model_is_judged_by_the_answers_that_are_held_back(folder: Path, proxy: ResolvedProxy) -> None:
    drawn = data(folder, proxy)

    assert losses(untrained_model(drawn.test, proxy), drawn.test).shape == (8,)
    assert np.array_equal(drawn.base_loss, losses(untrained_model(drawn.train, proxy), drawn.train))


def row(method: str, seed: int, loss: list[float]) -> dict[str, object]:
    setting = {"kept": 0.6, "rows_train": 10, "rows_test": 3, "longest": 70, "train_blocks": 4, "epochs": 3}
    taken = {"answer_characters_kept": 0.5, "seconds_selecting": 1.0, "seconds_training": 1.0}
    return {"method": method, "seed": seed, "loss": loss} | setting | taken


def test_differences_are_averaged_over_seeds_before_their_interval_is_taken() -> None:
    """Between seeds they cancel out: over three answers, what is left is 0.1 each time."""
    full = [row("full", seed, [1.0, 2.0, 3.0]) for seed in (0, 1)]
    ted = [row("ted", 0, [1.6, 2.1, 2.6]), row("ted", 1, [0.6, 2.1, 3.6])]

    text = "\n".join(section([*full, *ted]))

    assert "| ted | 2.100 ± 0.000 | +0.1000 [+0.1000, +0.1000] |" in text
    assert "60 % kept of 10 rows, 3 held back, at most 70 tokens, the last 4 blocks, 3 epochs, seeds 0, 1" in text
