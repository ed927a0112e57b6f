"""What the array formats share: checks, and values that are put in place as they are read."""

from collections.abc import Iterable, Iterator
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
    """Raise UnusableInputs or UnusableLabels where the task cannot use such arrays."""
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
        """The next bytes; fewer only at the end."""


class ArrayStream(NamedTuple):
    """An array on its way."""

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Iterable[np.ndarray]
    """Its rows in turn, some at a time."""

    def read_all(self) -> np.ndarray:
        """All of them, in memory."""
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *self.blocks])


def array_stream(
    file: Readable,
    shape: tuple[int, ...],
    dtype: np.dtype,
    *,
    name: str,
    room: int,
    broken: tuple[type[Exception], ...],
) -> ArrayStream:
    """The array whose values, row by row, are all that is left in the file, which has room for so many bytes of them.

    Raises DatasetUnreadable, which names the file; its blocks do so too where there are fewer or more values, and for
    ``broken``: what damage makes the file raise.
    """
    other_size = DatasetUnreadable(f"{name} is damaged: its header tells of other values", field="dataset.uri")
    row = int(np.prod(shape[1:])) * dtype.itemsize
    if dtype.hasobject or shape[0] * row > room:
        raise other_size

    def read(count: int, *, expected: int) -> bytes:
        try:
            found = file.read(count)
        except broken as error:
            raise unreadable_error(f"{name} is damaged", error) from error
        if len(found) != expected:
            raise other_size
        return found

    def blocks() -> Iterator[np.ndarray]:
        step = max(1, BLOCK_BYTES // max(row, 1))
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            yield np.frombuffer(read(count * row, expected=count * row), dtype).reshape(count, *shape[1:])
        read(1, expected=0)  # compressed files check their sums at their end

    return ArrayStream(shape, dtype, blocks())


def array_samples(inputs: ArrayStream, labels: np.ndarray, *, spec: DatasetSpec, limits: Limits) -> Samples:
    """The arrays as samples: uint8 images channels first, anything else as float32 vectors."""
    found = one_class(pa.chunked_array([_column(labels)]), name="labels", places=RowLocations())
    place = _images if inputs.dtype == np.uint8 and len(inputs.shape) > 2 else _vectors  # noqa: PLR2004
    with ArrayCache(limits, format=spec.format, input=spec.input) as space:
        made = space.load() or space.save(DecodedInputs(place(inputs, space.array), np.ones(len(labels), bool)))
    rows = np.arange(len(labels), dtype=np.uint64)
    return Samples(made.inputs, found.codes, found.classes, rows, rows=len(rows), cache=limits.cache)


def _column(labels: np.ndarray) -> pa.Array:
    """The labels for Arrow, which knows only the machine's own byte order."""
    return pa.array(labels.astype(labels.dtype.newbyteorder("=")))


def _images(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    """Images of shape (n, height, width) or (n, height, width, channels) as (n, channels, height, width)."""
    rows, height, width, channels = (*inputs.shape, 1)[:4]
    if channels not in CHANNELS:
        raise UnusableInputs(f"Images have {channels} channels, not 1 or 3 in the last axis", field="dataset.input")
    images, done = allocate((rows, channels, height, width), np.uint8, f"{rows:,} images"), 0
    for block in inputs.blocks:
        images[done : done + len(block)] = block.reshape(len(block), height, width, channels).transpose(0, 3, 1, 2)
        done += len(block)
    return images


def _vectors(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    vectors, done = allocate(inputs.shape, np.float32, f"{inputs.shape[0]:,} rows"), 0
    check = FiniteCheck({"inputs": slice(None)}, RowLocations())
    for block in inputs.blocks:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused in words
            vectors[done : done + len(block)] = block
        check.look(vectors[done : done + len(block)])
        done += len(block)
    check.conclude()
    return vectors
