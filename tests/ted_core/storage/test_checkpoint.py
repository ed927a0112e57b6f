"""A checkpoint is written from the memory in which the models lie, and read as it was."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ted_core.storage import checkpoint


def test_what_is_written_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, written = {"weight": torch.rand(30, 20)}, dict[str, torch.Tensor]()
    monkeypatch.setattr(checkpoint, "save_file", lambda tensors, *_, **__: written.update(tensors))

    checkpoint.write(tmp_path / "1.safetensors", state)

    assert written["weight"].data_ptr() == state["weight"].data_ptr()


def test_tensors_that_share_memory_or_lie_across_it_come_back_equal(tmp_path: Path) -> None:
    weight = torch.rand(30, 20)
    state: dict[str, Any] = {"one": weight, "tied": weight, "turned": weight.T, "part": weight[3:5], "none": weight[:0]}
    path = tmp_path / "1.safetensors"

    checkpoint.write(path, state, run="run")

    earlier = checkpoint.read(path)
    assert earlier.facts == {"run": "run"}
    assert {name: value.tolist() for name, value in earlier.state.items()} == {
        name: value.tolist() for name, value in state.items()
    }
