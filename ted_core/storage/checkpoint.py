"""The state of an unfinished run as a file, from which another process resumes as if nothing had happened."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, from_numpy, tensor

from ted_core.errors import CheckpointUnusable, StorageFull

FACTS = "ted"
StateDict = Mapping[str, Tensor]
"""Everything that decides how a run continues, by name; parts of parts as in a path."""


@dataclass(frozen=True)
class Checkpoint:
    """A state, and what the file says beside it."""

    state: StateDict
    facts: Mapping[str, Any]


def write(path: Path, state: StateDict, **facts: Any) -> None:
    """Write the state as safetensors; the facts, which JSON can hold, in its header. Raises StorageFull."""
    try:
        save_file(dict(_in_own_memory(state)), path, metadata={FACTS: json.dumps(facts)})
    except (OSError, SafetensorError) as error:
        raise StorageFull(f"{path.name}: {error}") from error


def _in_own_memory(state: StateDict) -> Iterator[tuple[str, Tensor]]:
    """The tensors on the CPU, contiguous and apart from each other, as safetensors wants them; seldom copies."""
    taken = set[int]()
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        yield name, tensor.clone() if place in taken else tensor
        taken.add(place)


def read(path: Path, *, device: str = "cpu") -> Checkpoint:
    """Read what was written. Raises CheckpointUnusable if the file is damaged or no checkpoint."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            facts = json.loads(file.metadata()[FACTS])
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointUnusable(f"{path.name} cannot be read ({error})") from error


def merge_state_dicts(**parts: StateDict) -> StateDict:
    """Merge the parts' states into one, each name prefixed with that of its part."""
    return {f"{part}/{name}": value for part, state in parts.items() for name, value in state.items()}


def sub_state_dict(state: StateDict, name: str) -> StateDict:
    """Return the state of one of the parts that were merged; empty if there is none."""
    start = f"{name}/"
    return {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}


def of_array(values: np.ndarray) -> Tensor:
    """The array as a tensor of its own."""
    return from_numpy(np.array(values))


def of_number(value: float) -> Tensor:
    """A whole number or a fraction, exactly."""
    return tensor(value, dtype=None if isinstance(value, int) else of_array(np.zeros(0)).dtype)
