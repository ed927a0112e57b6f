"""Arrays in files that all workers of a loader map, so that they cost memory only once."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from ted_core.results.manifest import Manifest


class MappedArray:
    """An array without further axes, in a temporary file. Pickling passes on the file's path, not the numbers."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.path, self.dtype = path, dtype
        self.array: Any = np.memmap(path, dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)
        """All of it, for NumPy."""

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray]) -> MappedArray:
        """The blocks one after another, in a file that lasts as long as what this returns, in this process."""
        descriptor, name = tempfile.mkstemp(prefix="ted-rows-")
        dtype = "u1"
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                dtype = block.dtype.str
                file.write(np.ascontiguousarray(block).data)
        mapped = cls(Path(name), dtype)
        weakref.finalize(mapped, _remove, mapped.path, os.getpid())
        return mapped

    def __reduce__(self) -> tuple[type[MappedArray], tuple[Path, str]]:
        return MappedArray, (self.path, self.dtype)


class MappedRows(Sequence[int]):
    """Ascending row indices, read where they are asked for."""

    def __init__(self, mapped: MappedArray) -> None:
        self.mapped = mapped

    @classmethod
    def of(cls, manifest: Manifest) -> MappedRows:
        """Those of this manifest."""
        batches = manifest.batches("row_index")
        return cls(MappedArray.of(batch["row_index"].to_numpy().astype(np.int64) for batch in batches))

    @property
    def path(self) -> Path:
        """The file that holds them."""
        return self.mapped.path

    @property
    def array(self) -> np.ndarray:
        """All of them, for NumPy."""
        array: np.ndarray = self.mapped.array
        return array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> list[int]: ...
    def __getitem__(self, place: int | slice) -> int | list[int]:
        found: int | list[int] = self.array[place].tolist()
        return found


def _remove(path: Path, owner: int) -> None:
    """Remove the file, unless this is a process that was forked while its owner used it."""
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
