"""Where decoded inputs are kept: in memory while they are small, else in a file that is mapped into it."""

import json
import math
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import PIL
import pyarrow as pa
from jaxtyping import Bool
from numpy.typing import DTypeLike

from ted_core.datasets.findings import Findings, collect_findings, findings
from ted_core.datasets.limits import Limits
from ted_core.storage import memmap
from ted_core.storage.content_cache import find_intact, key_of, publish, trim, unfinished_file
from ted_core.warnings import JobWarning

LAYOUT = 2
"""The version of the files' layout and content; part of their names, so that files of another one are left alone."""
ENDING = ".inputs.npy"

Allocate = Callable[[tuple[int, ...], DTypeLike, str], np.ndarray]
"""(shape, type, what errors call it) → an array of zeros. Raises DatasetTooLarge."""


class DecodedInputs(NamedTuple):
    """The inputs of those rows that could be decoded, and which those are."""

    inputs: np.ndarray
    """A memmap if they are in a file."""
    usable: Bool[np.ndarray, " rows"]


class ArrayCache:
    """Allocates an array of inputs, or finds the array that an earlier job has saved.

    Whatever is noticed in the ``with`` block before the array is saved is kept with it, and noticed again by those who
    find it. A file that is not saved has no name once the block is left, or another array is allocated instead; it is
    gone when it is unmapped.
    """

    def __init__(self, limits: Limits, **settings: object) -> None:
        """``settings``: whatever the inputs depend on besides the dataset's content, as values that JSON can hold."""
        self.limits = limits
        self._key = key_of(layout=LAYOUT, made_by=[PIL.__version__, pa.__version__], of=limits.identity, **settings)
        self._file: Path | None = None
        self._unfinished = ExitStack()
        self._block = ExitStack()
        self._noticed = Findings()

    def __enter__(self) -> "ArrayCache":
        self._noticed = self._block.enter_context(collect_findings())
        self._block.push(self._unfinished)
        return self

    def __exit__(self, *_: object) -> None:
        self._block.close()

    def load(self) -> DecodedInputs | None:
        """Return what an earlier job with the same settings saved of the same dataset, or None."""
        if not (self.limits.cache and self.limits.identity):
            return None
        if path := find_intact(self.limits.cache, self._key, ENDING):
            with suppress(FileNotFoundError):  # another job has just made room
                decoded, noticed = _read(path)
                findings().add(noticed)
                return decoded
        return None

    def array(self, shape: tuple[int, ...], dtype: DTypeLike, description: str) -> np.ndarray:
        """Allocate zeros, in memory or mapped, instead of any that were allocated before.

        Raises DatasetTooLarge, and OSError if the disk is full.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        self._unfinished.close()
        self._file = None
        if self.limits.in_memory(size, description):
            return np.zeros(shape, dtype)
        return self._mapped(shape, dtype, size)

    def _mapped(self, shape: tuple[int, ...], dtype: DTypeLike, size: int) -> np.ndarray:
        assert self.limits.cache, "only what has a folder is mapped"  # noqa: S101
        if self.limits.cache_bytes is not None:
            trim(self.limits.cache, at_most=self.limits.cache_bytes - size)
        self._file = self._unfinished.enter_context(unfinished_file(self.limits.cache))
        return memmap.create_memmap(self._file, shape, dtype)

    def save(self, decoded: DecodedInputs) -> DecodedInputs:
        """Return the same inputs, kept for later jobs if they are in a file and the dataset's identity is known."""
        if self._file is None or not self.limits.identity:
            return decoded
        assert isinstance(decoded.inputs, np.memmap), "there is one array, and it is mapped"  # noqa: S101
        decoded.inputs.flush()
        with self._file.open("ab") as file:
            np.save(file, decoded.usable)
            _write_findings(file, self._noticed)
        saved, _ = _read(self._file)
        publish(self._file, self._key, ENDING)
        return saved


def _read(path: Path) -> tuple[DecodedInputs, Findings]:
    """Two arrays one after the other: a row for each of the dataset's, usable ones first; and which are usable.

    What was noticed follows as JSON.
    """
    inputs = memmap.read_memmap(path)
    with path.open("rb") as file:
        file.seek(inputs.offset + inputs.nbytes)
        usable = np.load(file, allow_pickle=False)
        noticed = _read_findings(file)
    return DecodedInputs(inputs[: np.count_nonzero(usable)], usable), noticed


def _write_findings(file: IO[bytes], noticed: Findings) -> None:
    warnings = [[warning.code, warning.field, warning.message] for warning in noticed.warnings]
    file.write(json.dumps([warnings, noticed.passed_over, noticed.left_out]).encode())


def _read_findings(file: IO[bytes]) -> Findings:
    warnings, passed_over, left_out = json.loads(file.read())
    return Findings({JobWarning(*warning): None for warning in warnings}, passed_over, left_out)
