"""A selection by ranks that each have inputs of their own rows alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.datasets.samples import Ownership
from ted_core.distributed.world import ALONE, World
from ted_core.errors import SettingUnsuited
from ted_core.storage import checkpoint
from ted_core.training.batches import ArrayBatches, Scaling
from tests.ted_core import examples
from tests.ted_core.distributed.ranks import on_ranks
from tests.ted_core.distributed.test_selection import Files, contents, selected

VECTORS = examples.random_vectors(121, classes=3)
IMAGES = examples.random_images(48, channels=3)
OPTIONS: dict[str, tuple[Samples, dict[str, Any]]] = {
    "margin": (VECTORS, {"q": None}),
    "chosen exponent": (VECTORS, {"q": "auto"}),
    "guard": (VECTORS, {"q": None, "guard": True}),
    "open ratio": (VECTORS, {"q": None, "keep_ratio": "auto", "tolerance": 5}),
    "augmented images": (IMAGES, {"name": "cnn", "epochs": 3, "batch_size": 12}),
}
on_owners = partial(on_ranks, models=1)


def divided(samples: Samples, world: World, *starts: int) -> Samples:
    """The samples of which this rank has only the inputs of its own part: equal ones, unless ``starts`` say where."""
    ends = (0, *(starts or np.linspace(0, len(samples), world.size + 1).astype(int)[1:-1].tolist()), len(samples))
    ownership = Ownership(tuple(ends), world.rank)
    return replace(samples, inputs=samples.inputs[ownership.own].copy(), ownership=ownership)


def selected_by_owners(name: str, world: World, *starts: int, **options: Any) -> list[dict[str, object]]:
    samples, usual = OPTIONS[name]
    return contents(selected(divided(samples, world, *starts), world, **usual, sampling="sharded", **options))


@pytest.mark.parametrize(("name", "size"), [*((name, 2) for name in OPTIONS), ("margin", 4), ("augmented images", 4)])
def test_owners_agree_with_each_other_and_with_themselves(name: str, size: int) -> None:
    found = on_owners(size, lambda world: selected_by_owners(name, world))

    assert all(one == found[0] for one in found)
    assert on_owners(size, lambda world: selected_by_owners(name, world)) == found


@pytest.mark.parametrize("name", ["margin", "augmented images"])
def test_an_owner_of_a_few_rows_has_none_in_most_batches_and_all_are_trained_on(name: str) -> None:
    samples, options = OPTIONS[name]

    def work(world: World) -> tuple[int, list[dict[str, object]]]:
        rounds = selected(divided(samples, world, 3), world, **options, sampling="sharded")
        return rounds[-1].samples_trained, contents(rounds)

    (trained, first), (_, second) = on_owners(2, work)

    assert first == second
    assert trained == selected(samples, **options)[-1].samples_trained


@pytest.mark.parametrize("name", ["margin", "chosen exponent"])
def test_from_wherever_owners_resume_they_end_alike(name: str, tmp_path: Path) -> None:
    samples, options = OPTIONS[name]

    def work(world: World, checkpointer: Files) -> list[dict[str, object]]:
        return contents(selected(divided(samples, world), world, checkpointer, **options, sampling="sharded"))

    undisturbed = on_owners(2, lambda world: work(world, Files(tmp_path if world.rank == 0 else None)))[0]
    paths = sorted(tmp_path.glob("*.safetensors"))

    assert len(paths) >= 3
    for path in paths:

        def resumed(world: World, path: Path = path) -> list[dict[str, object]]:
            return work(world, Files(saved_state=checkpoint.read(path).state if world.rank == 0 else None))

        rounds = on_owners(2, resumed)[0]
        assert rounds == undisturbed[-len(rounds) :]


def test_inputs_are_scaled_by_the_statistics_of_all_and_each_rank_holds_its_own() -> None:
    whole = ArrayBatches(VECTORS, scaling=Scaling.of(VECTORS))

    def work(world: World) -> tuple[np.ndarray, int]:
        samples = divided(VECTORS, world, 40)
        table = ArrayBatches(samples, scaling=Scaling.of(samples, world))
        own = table.stretch(np.arange(len(VECTORS)), world.replicas.share)
        return np.concatenate([inputs.numpy() for inputs, _ in table.in_order(own)]), samples.inputs.nbytes

    (first, size), (second, other) = on_owners(2, work)

    expected = np.concatenate([inputs.numpy() for inputs, _ in whole.in_order(np.arange(len(VECTORS)))])
    np.testing.assert_allclose(np.concatenate([first, second]), expected, atol=1e-6)
    assert (size, other) == (40 * 16, 81 * 16)


def test_rows_that_one_process_has_all_of_are_not_called_divided() -> None:
    with pytest.raises(SettingUnsuited, match="one process has all of"):
        selected(VECTORS, ALONE, sampling="sharded", q=None)
