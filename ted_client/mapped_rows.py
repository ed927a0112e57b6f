"""A manifest's row indices in a file that all workers of a loader map, so that they cost memory only once."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ted_core.results.manifest import Manifest


class MappedRows(Sequence[int]):
    """Ascending row indices, read where they are asked for. Pickling passes on the file's path, not the numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.array = np.memmap(path, np.int64, mode="r") if path.stat().st_size else np.empty(0, np.int64)
        """All of them, for NumPy."""

    @classmethod
    def of(cls, manifest: Manifest) -> MappedRows:
        """Those of this manifest, in a temporary file that lasts as long as what this returns, in this process."""
        descriptor, name = tempfile.mkstemp(prefix="ted-rows-")
        with os.fdopen(descriptor, "wb") as file:
            for batch in manifest.batches("row_index"):
                file.write(batch["row_index"].to_numpy().astype(np.int64).data)
        rows = cls(Path(name))
        weakref.finalize(rows, _remove, rows.path, os.getpid())
        return rows

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> list[int]: ...
    def __getitem__(self, place: int | slice) -> int | list[int]:
        found: int | list[int] = self.array[place].tolist()
        return found

    def __reduce__(self) -> tuple[type[MappedRows], tuple[Path]]:
        return MappedRows, (self.path,)


def _remove(path: Path, owner: int) -> None:
    """Remove the file, unless this is a process that was forked while its owner used it."""
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
