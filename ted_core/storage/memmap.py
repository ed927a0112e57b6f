"""Arrays that lie in a file: the system brings pages of it into memory as they are used, and takes them back."""

import os
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike


def create_memmap(path: Path, shape: tuple[int, ...], kind: DTypeLike) -> np.memmap:
    """Zeros in this file, which is in NumPy's format afterwards. Raises OSError if the disk has no room for them."""
    array = open_memmap(path, "w+", np.dtype(kind), shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS; what is written to a map and finds no room ends the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def read_memmap(path: Path) -> np.memmap:
    """The file's first array, which cannot be changed. A private map that can would have to fit into memory."""
    return open_memmap(path, "r")
