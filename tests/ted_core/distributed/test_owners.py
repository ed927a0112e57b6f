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
    "augmented images": (IMAGES, {"name": "cnn", "epochs": 4, "batch_size": 12}),
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


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("name", OPTIONS)
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
