"""What the array formats share: checks, and values that are written into one array as they are read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from ted_core.datasets.columns.array_cache import Allocate, ArrayCache, DecodedInputs
from ted_core.datasets.columns.labels import one_class
from ted_core.datasets.columns.tabular import FiniteCheck
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnusableInputs, UnusableLabels

TASKS = ("image-classification", "tabular-classification")
CHANNELS = (1, 3)
BLOCK_BYTES = 4 << 20
"""Values that are read at a time."""


def check_shapes(inputs: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Raise DatasetUnreadable unless there is one label for each input."""
    if len(labels) != 1 or not inputs or inputs[0] != labels[0]:
        raise DatasetUnreadable(
            f"Inputs of shape {inputs} and labels of shape {labels} do not match", field="dataset.uri"
        )
    if 0 in inputs[1:]:
        raise DatasetUnreadable(f"Inputs of shape {inputs} hold nothing", field="dataset.uri")


def check_types(inputs: np.dtype, labels: np.dtype, *, ndim: int, spec: DatasetSpec) -> None:
    """Raise UnusableInputs, UnusableLabels or SettingUnsuited if the task cannot use such arrays."""
    if spec.base_task not in TASKS:
        raise UnusableInputs(f"Arrays of numbers hold nothing for {spec.base_task}", field="dataset.task")
    if spec.missing == "impute":
        raise SettingUnsuited("Arrays have no columns to impute", field="dataset.missing")
    if spec.image_size is not None:
        raise SettingUnsuited("Arrays of images are taken as they are", field="dataset.image_size")
    if labels.kind not in "iubU":
        raise UnusableLabels(f"The labels are of type {labels}", field="dataset.target")
    images = inputs == np.uint8 and ndim in (3, 4)
    if spec.base_task == "image-classification" and not images:
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not uint8 images", field="dataset.input")
    if spec.base_task == "tabular-classification" and (ndim != 2 or inputs.kind not in "iufb"):  # noqa: PLR2004
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not rows of numbers", field="dataset.input")


@runtime_checkable
class Readable(Protocol):
    """A file, compressed or not."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; fewer only at the end."""


class ArrayStream(NamedTuple):
    """An array that is read a few rows at a time."""

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[np.ndarray]
    """Its rows in order."""

    def read_all(self) -> np.ndarray:
        """Return the whole array, in memory."""
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *self.blocks])


@dataclass(frozen=True)
class ValueFile:
    """A file whose remaining bytes are the values of one array, row by row."""

    file: Readable
    name: str
    damage: tuple[type[Exception], ...]
    """What ``file`` raises if it is damaged."""

    def array(self, shape: tuple[int, ...], dtype: np.dtype, *, available: int) -> ArrayStream:
        """Return the array of these values, of which the file can hold ``available`` bytes.

        Raises DatasetUnreadable, which names the file; so do the blocks if there are fewer or more values, or damage.
        """
        if dtype.hasobject or shape[0] * _row_bytes(shape, dtype) > available:
            raise self._other_values()
        return ArrayStream(shape, dtype, self._blocks(shape, dtype))

    def _blocks(self, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
        row_bytes = _row_bytes(shape, dtype)
        step = max(1, BLOCK_BYTES // max(row_bytes, 1))
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            content = self._read(count * row_bytes, expected=count * row_bytes)
            yield np.frombuffer(content, dtype).reshape(count, *shape[1:])
        self._read(1, expected=0)  # compressed files verify their checksums at the end

    def _read(self, count: int, *, expected: int) -> bytes:
        try:
            content = self.file.read(count)
        except self.damage as error:
            raise unreadable_error(f"{self.name} is damaged", error) from error
        if len(content) != expected:
            raise self._other_values()
        return content

    def _other_values(self) -> DatasetUnreadable:
        return DatasetUnreadable(f"{self.name} is damaged: its values do not match its header", field="dataset.uri")


def _row_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return int(np.prod(shape[1:])) * dtype.itemsize


def array_samples(inputs: ArrayStream, labels: np.ndarray, *, spec: DatasetSpec, limits: Limits) -> Samples:
    """Return the arrays as samples: uint8 images channels first, anything else as float32 vectors."""
    target = one_class(pa.chunked_array([_column(labels)]), name="labels", locations=RowLocations())
    read = _images if inputs.dtype == np.uint8 and len(inputs.shape) > 2 else _vectors  # noqa: PLR2004
    with ArrayCache(limits, format=spec.format, input=spec.input) as cache:
        decoded = cache.load() or cache.save(DecodedInputs(read(inputs, cache.array), np.ones(len(labels), bool)))
    rows = np.arange(len(labels), dtype=np.uint64)
    return Samples(decoded.inputs, target.codes, target.classes, rows, rows=len(rows), cache=limits.cache)


def _column(labels: np.ndarray) -> pa.Array:
    """The labels for Arrow, which knows only the machine's own byte order."""
    return pa.array(labels.astype(labels.dtype.newbyteorder("=")))


def _images(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    """Images of shape (n, height, width) or (n, height, width, channels) as (n, channels, height, width)."""
    rows, height, width, channels = (*inputs.shape, 1)[:4]
    if channels not in CHANNELS:
        raise UnusableInputs(f"Images have {channels} channels, not 1 or 3 in the last axis", field="dataset.input")
    images = allocate((rows, channels, height, width), np.uint8, f"{rows:,} images")
    start = 0
    for block in inputs.blocks:
        images[start : start + len(block)] = block.reshape(len(block), height, width, channels).transpose(0, 3, 1, 2)
        start += len(block)
    return images


def _vectors(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    vectors = allocate(inputs.shape, np.float32, f"{inputs.shape[0]:,} rows")
    check = FiniteCheck({"inputs": slice(None)}, RowLocations())
    start = 0
    for block in inputs.blocks:
        rows = vectors[start : start + len(block)]
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which the check refuses
            rows[:] = block
        check.add(rows)
        start += len(block)
    check.finish()
    return vectors
