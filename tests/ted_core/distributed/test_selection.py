"""A selection by several ranks: two of them find, to the bit, what one finds, and any number what they found before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.distributed.errors import BatchSmallerThanRanks
from ted_core.distributed.world import ALONE, World
from ted_core.errors import TrainingDiverged
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.selection.prune import prune
from ted_core.selection.rounds import ProgressUpdate, Round
from ted_core.storage import checkpoint
from ted_core.storage.checkpoint import StateDict
from ted_core.training.predictions import Predictions
from tests.ted_core import examples
from tests.ted_core.distributed.ranks import on_ranks

VECTORS = examples.random_vectors(121, classes=3)
IMAGES = examples.random_images(48, channels=3)
OPTIONS: dict[str, tuple[Samples, dict[str, Any]]] = {
    "margin": (VECTORS, {"q": None}),
    "chosen exponent": (VECTORS, {"q": "auto"}),
    "guard": (VECTORS, {"q": None, "guard": True}),
    "open ratio": (VECTORS, {"q": None, "keep_ratio": "auto", "tolerance": 5}),
    "gradients": (VECTORS, {"score": "parameter"}),
    "augmented images": (IMAGES, {"name": "cnn", "epochs": 4}),
    "a baseline": (VECTORS, {"method": "el2n", "q": None}),
}


class Files:
    """Keeps every state that is offered, as a worker would."""

    def __init__(self, folder: Path | None = None, saved_state: StateDict | None = None) -> None:
        self.folder, self.saved_state, self.written = folder, saved_state, 0

    def offer(self, state: Callable[[], StateDict]) -> None:
        if self.folder:
            checkpoint.write(self.folder / f"{self.written}.safetensors", state())
            self.written += 1


def selected(
    samples: Samples, world: World = ALONE, checkpointer: Any = None, watch: Any = None, **options: Any
) -> list[Round]:
    proxy = {key: options.pop(key) for key in ("name", "epochs", "batch_size", "learning_rate") if key in options}
    plan = PruningPlan.model_validate({"keep_ratio": 0.4, "q": 2.0} | options)
    spec = ProxySpec.model_validate({"name": "mlp", "epochs": 8} | proxy)
    watch = watch or (lambda _: None)
    return list(prune(samples, plan, proxy=spec, watch=watch, checkpointer=checkpointer or Files(), world=world))


def contents(found: list[Round]) -> list[dict[str, object]]:
    """All that the rounds say, as bytes and numbers that can be compared."""
    facts = [vars(one) | vars(one.predictions or one) for one in found]
    return [{name: _plain(value) for name, value in one.items()} for one in facts]


def _plain(value: object) -> object:
    return value.tobytes() if isinstance(value, np.ndarray) else None if isinstance(value, Predictions) else value


@pytest.mark.parametrize("name", OPTIONS)
def test_two_ranks_find_to_the_bit_what_one_finds(name: str) -> None:
    samples, options = OPTIONS[name]

    first, second = on_ranks(2, lambda world: contents(selected(samples, world, **options)))

    assert first == contents(selected(samples, **options))
    assert second == first


@pytest.mark.parametrize("name", ["margin", "guard", "augmented images"])
def test_four_ranks_agree_with_each_other_and_with_themselves(name: str) -> None:
    samples, options = OPTIONS[name]

    def work(world: World) -> list[dict[str, object]]:
        return contents(selected(samples, world, **options))

    found = on_ranks(4, work)

    assert all(one == found[0] for one in found)
    assert on_ranks(4, work)[0] == found[0]


def test_four_ranks_train_as_one_does_but_for_rounding() -> None:
    def work(world: World) -> tuple[Any, ...]:
        measured = [one for one in selected(IMAGES, world, name="cnn", epochs=4, batch_size=12) if one.predictions]
        return [one.train_loss for one in measured], [one.samples_trained for one in measured], measured[0].predictions

    (losses, counts, predictions), *_ = on_ranks(4, work)
    expected_losses, expected_counts, expected = work(ALONE)

    assert counts == expected_counts
    assert losses[0] == pytest.approx(expected_losses[0], rel=1e-3)
    np.testing.assert_allclose(predictions.performance, expected.performance, atol=5e-3)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("name", ["margin", "chosen exponent"])
def test_from_wherever_ranks_resume_they_end_alike(size: int, name: str, tmp_path: Path) -> None:
    samples, options = OPTIONS[name]

    def work(world: World) -> list[dict[str, object]]:
        return contents(selected(samples, world, Files(tmp_path if world.rank == 0 else None), **options))

    undisturbed = on_ranks(size, work)[0]
    paths = sorted(tmp_path.glob("*.safetensors"))

    assert len(paths) >= 3
    for path in paths:

        def resumed(world: World, path: Path = path) -> list[dict[str, object]]:
            state = checkpoint.read(path).state if world.rank == 0 else None
            return contents(selected(samples, world, Files(saved_state=state), **options))

        rounds = on_ranks(size, resumed)[0]
        assert rounds == undisturbed[-len(rounds) :]


def test_a_twin_that_diverges_anywhere_is_told_by_its_rank() -> None:
    with pytest.raises(TrainingDiverged):
        on_ranks(2, lambda world: selected(VECTORS, world, learning_rate=10.0, q=None) and None)


def test_progress_counts_the_rows_of_all_ranks() -> None:
    def work(world: World) -> list[ProgressUpdate]:
        seen: list[ProgressUpdate] = []
        selected(VECTORS, world, watch=seen.append, q=None)
        return seen

    first, _ = on_ranks(2, work)
    alone = work(ALONE)

    assert first[-1] == alone[-1]
    assert len(first) > 3
    assert len({step.samples_trained for step in first}) > 3


def test_a_batch_that_not_every_rank_can_have_a_row_of_is_refused() -> None:
    with pytest.raises(BatchSmallerThanRanks, match="3 devices share a batch of 2"):
        on_ranks(6, lambda world: selected(VECTORS, world, batch_size=2) and None)
