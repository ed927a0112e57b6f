"""Where decoded inputs lie: in memory as long as they are small, else in a file that is mapped into it."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import pyarrow as pa
from jaxtyping import Bool
from numpy.typing import DTypeLike

from ted_core.datasets.limits import Limits
from ted_core.storage import memmap
from ted_core.storage.content_cache import find_intact, key_of, publish, trim, unfinished_file

LAYOUT = 1
"""Of the files and of what they hold; part of their names, so that files of another layout are left alone."""
ENDING = ".inputs.npy"

Allocate = Callable[[tuple[int, ...], DTypeLike, str], np.ndarray]
"""(shape, type, what errors call it) → an array of zeros. Raises DatasetTooLarge."""


class DecodedInputs(NamedTuple):
    """The inputs of those rows that could be decoded, and which those are."""

    inputs: np.ndarray
    """A memmap where they lie in a file."""
    usable: Bool[np.ndarray, " rows"]


class ArrayCache:
    """Room for one array of inputs, and the memory of what an earlier job put there.

    A file that is not kept has no name once the space is left; it is gone when it is unmapped.
    """

    def __init__(self, limits: Limits, **facts: object) -> None:
        """``facts``: whatever decides about the inputs beside the dataset's content; JSON can hold them."""
        self.limits = limits
        self._key = key_of(layout=LAYOUT, made_by=[PIL.__version__, pa.__version__], of=limits.identity, **facts)
        self._file: Path | None = None
        self._open = ExitStack()

    def __enter__(self) -> "ArrayCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def load(self) -> DecodedInputs | None:
        """What an earlier job with the same facts left of the same dataset, or None."""
        if not (self.limits.cache and self.limits.identity):
            return None
        path = find_intact(self.limits.cache, self._key, ENDING)
        with suppress(FileNotFoundError):  # somebody has just made room
            return _read(path) if path else None
        return None

    def array(self, shape: tuple[int, ...], kind: DTypeLike, what: str) -> np.ndarray:
        """Zeros, in memory or mapped. Raises DatasetTooLarge, and OSError where the disk is full."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if self.limits.in_memory(size, what):
            return np.zeros(shape, kind)
        return self._mapped(shape, kind, size)

    def _mapped(self, shape: tuple[int, ...], kind: DTypeLike, size: int) -> np.ndarray:
        assert self.limits.cache, "only what has a folder is mapped"  # noqa: S101
        if self.limits.cache_bytes is not None:
            trim(self.limits.cache, at_most=self.limits.cache_bytes - size)
        self._file = self._open.enter_context(unfinished_file(self.limits.cache))
        return memmap.create_memmap(self._file, shape, kind)

    def save(self, made: DecodedInputs) -> DecodedInputs:
        """The same, kept for later jobs where it is a file and the dataset's identity is known."""
        if self._file is None or not self.limits.identity:
            return made
        assert isinstance(made.inputs, np.memmap), "there is one array, and it is mapped"  # noqa: S101
        made.inputs.flush()
        with self._file.open("ab") as file:
            np.save(file, made.usable)
        found = _read(self._file)
        publish(self._file, self._key, ENDING)
        return found


def _read(path: Path) -> DecodedInputs:
    """Two arrays one after the other: room for all rows, of which the usable ones are filled, and which these are."""
    inputs = memmap.read_memmap(path)
    with path.open("rb") as file:
        file.seek(inputs.offset + inputs.nbytes)
        usable = np.load(file, allow_pickle=False)
    return DecodedInputs(inputs[: np.count_nonzero(usable)], usable)
