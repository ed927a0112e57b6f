"""A run that is interrupted anywhere and gone on with ends as if it had not been."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ted_core.datasets import Samples
from ted_core.errors import CheckpointUnusable
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.storage import checkpoint
from ted_core.storage.checkpoint import StateDict
from tests.ted_core import examples

SAMPLES = examples.random_vectors(120, classes=3)
IMAGES = examples.random_images(48)


class Drawer:
    """Keeps every state that is offered, through a file as a worker would."""

    def __init__(self, folder: Path, saved_state: StateDict | None = None) -> None:
        self.folder, self.saved_state, self.paths = folder, saved_state, list[Path]()

    def offer(self, state: Callable[[], StateDict]) -> None:
        self.paths.append(self.folder / f"{len(self.paths)}.safetensors")
        checkpoint.write(self.paths[-1], state())


def run(samples: Samples, checkpointer: Any, *, name: str = "mlp", epochs: int = 8, **plan: Any) -> Iterator[Round]:
    chosen = PruningPlan.model_validate({"keep_ratio": 0.4, "q": 2.0} | plan)
    return prune(samples, chosen, proxy=ProxySpec(name=name, epochs=epochs), checkpointer=checkpointer)


def contents(one: Round) -> tuple[object, ...]:
    arrays = vars(one) | (vars(one.predictions) if one.predictions else {})
    plain = {name: v.tobytes() if isinstance(v, np.ndarray) else v for name, v in arrays.items()}
    return tuple(value for name, value in plain.items() if name != "predictions")


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        pytest.param(SAMPLES, {"q": None}, id="margin"),
        pytest.param(SAMPLES, {}, id="given q"),
        pytest.param(SAMPLES, {"q": "auto"}, id="chosen q"),
        pytest.param(SAMPLES, {"score": "parameter"}, id="parameter score"),
        pytest.param(SAMPLES, {"rounds": 3, "epochs": 12}, id="several epochs a round"),
        pytest.param(IMAGES, {"name": "cnn", "epochs": 4}, id="augmented images"),
        pytest.param(IMAGES, {"name": "resnet9", "epochs": 4}, id="whitened images"),
    ],
)
def test_from_wherever_it_goes_on_a_run_ends_alike(samples: Samples, options: dict[str, Any], tmp_path: Path) -> None:
    kept = Drawer(tmp_path)
    undisturbed = list(run(samples, kept, **options))

    assert len(kept.paths) >= undisturbed[-1].rounds
    for path in kept.paths:
        torch.manual_seed(path.stat().st_size)  # another process draws on
        (tmp_path / "later").mkdir(exist_ok=True)
        resumed = list(run(samples, Drawer(tmp_path / "later", checkpoint.read(path).state), **options))

        left = undisturbed[-len(resumed) :]
        assert [contents(one) for one in resumed] == [contents(one) for one in left]


def test_candidates_that_were_tried_are_not_tried_again(tmp_path: Path) -> None:
    kept = Drawer(tmp_path)
    *_, undisturbed = run(SAMPLES, kept, q="auto")
    assert undisturbed.choice

    (tmp_path / "later").mkdir()
    again = Drawer(tmp_path / "later", checkpoint.read(kept.paths[-1]).state)
    (final,) = run(SAMPLES, again, q="auto")

    assert not again.paths, "every candidate was known"
    assert final.choice == undisturbed.choice


def test_twins_that_have_nothing_left_to_learn_are_not_kept(tmp_path: Path) -> None:
    kept = Drawer(tmp_path)
    list(run(SAMPLES, kept, q="auto"))

    holds_twins = [bool(checkpoint.sub_state_dict(checkpoint.read(path).state, "twins")) for path in kept.paths]

    assert holds_twins == sorted(holds_twins, reverse=True)
    assert holds_twins[0]
    assert not holds_twins[-1]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = {
        "a/b": torch.arange(6).reshape(2, 3).T,
        "mask": checkpoint.of_array(np.array([True, False])),
        "rounds": checkpoint.of_array(np.array([65535], np.uint16)),
        "exact": checkpoint.of_number(0.1),
        "many": checkpoint.of_number(2**60 + 1),
    }

    checkpoint.write(tmp_path / "file", state, round=3, of="this run")
    found = checkpoint.read(tmp_path / "file")

    assert found.facts == {"round": 3, "of": "this run"}
    assert {name: value.tolist() for name, value in found.state.items()} == {
        name: value.tolist() for name, value in state.items()
    }


@pytest.mark.parametrize("damage", [b"", b"{}", b"not a checkpoint at all", None])
def test_what_is_no_checkpoint_is_refused(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    checkpoint.write(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:-50] if damage is None else damage)

    with pytest.raises(CheckpointUnusable, match="file cannot be read"):
        checkpoint.read(path)


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnusable):
        checkpoint.read(tmp_path / "nowhere")
