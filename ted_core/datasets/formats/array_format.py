"""What the array formats share: checks, and values that are written into one array as they are read."""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from PIL import Image

from ted_core.datasets.columns.array_cache import Allocate, ArrayCache, DecodedInputs
from ted_core.datasets.columns.centring import Origins, may_lose_digits
from ted_core.datasets.columns.images.image_findings import ImageFindings, digest_of
from ted_core.datasets.columns.labels import one_class, warn_of_doubtful, warn_of_negative
from ted_core.datasets.columns.preview import ROWS, TARGET_BYTES, class_rows, of_first_rows, shown
from ted_core.datasets.columns.tabular import FiniteCheck
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import InputColumns, Labels, Samples
from ted_core.datasets.sources.base import unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnusableInputs, UnusableLabels

TASKS = ("image-classification", "tabular-classification")
CHANNELS = (1, 3)
BLOCK_BYTES = 4 << 20
"""Values that are read at a time."""
MOST_DEFLATED = 1032
"""How many bytes one compressed byte can stand for: https://zlib.net/zlib_tech.html."""


UNSUITED = {
    "exclude": "Arrays have no columns to leave out",
    "image_size": "Arrays of images are taken as they are",
    "colour": "Arrays of images have the channels that they have",
    "background": "Arrays of images have no transparency",
}
"""What a request may say of columns and of encoded images, and why it means nothing here."""


def check_shapes(inputs: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Raise DatasetUnreadable unless there is one label for each input."""
    if len(labels) > 1 and labels[:1] == inputs[:1] and math.prod(labels[1:]) > 1:
        fact = f"Labels of shape {labels} are no class for each row; give the position of each row's 1, or its class"
        raise UnusableLabels(fact, field="dataset.target")
    if math.prod(labels[1:]) != 1 or not labels or not inputs or inputs[0] != labels[0]:
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
    for name, fact in UNSUITED.items():
        if getattr(spec, name) is not None:
            raise SettingUnsuited(fact, field=f"dataset.{name}")
    if labels.kind not in "iubU":
        raise UnusableLabels(f"The labels are of type {labels}", field="dataset.target")
    images = inputs == np.uint8 and ndim in (3, 4)
    if spec.base_task == "image-classification" and not images:
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not uint8 images", field="dataset.input")
    if spec.base_task == "tabular-classification" and (ndim != 2 or inputs.kind not in "iufb"):  # noqa: PLR2004
        raise UnusableInputs(f"The inputs are {ndim}-dimensional {inputs}, not rows of numbers", field="dataset.input")


def input_shape(inputs: tuple[int, ...], spec: DatasetSpec) -> tuple[int, ...]:
    """Return the shape of one input of an array of this shape: an image's channels come first.

    Raises UnusableInputs for images that are neither grey nor in colour.
    """
    if spec.base_task != "image-classification":
        return inputs[1:]
    _, height, width, channels = (*inputs, 1)[:4]
    if channels not in CHANNELS:
        raise UnusableInputs(f"Images have {channels} channels, not 1 or 3 in the last axis", field="dataset.input")
    return channels, height, width


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
    again: Callable[[], "ArrayStream"] | None = None
    """Opens the same array another time; None if its blocks can be read as often as needed."""

    def once_more(self) -> Iterable[np.ndarray]:
        """Return the rows in order, which can be read besides the blocks."""
        return self.again().blocks if self.again else self.blocks

    def read_all(self, limits: Limits, description: str) -> np.ndarray:
        """Return the whole array, in memory. Raises DatasetTooLarge if it does not fit."""
        limits.refuse_beyond(self.shape[0] * _row_bytes(self.shape, self.dtype), description)
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
    return math.prod(shape[1:]) * dtype.itemsize


def array_samples(inputs: ArrayStream, labels: np.ndarray, *, name: str, spec: DatasetSpec, limits: Limits) -> Samples:
    """Return the arrays as samples: uint8 images channels first, anything else as float32 vectors.

    Their headers are checked again: they may be others than those that were looked at. ``name`` is that of the inputs.
    """
    check_shapes(inputs.shape, labels.shape)
    check_types(inputs.dtype, labels.dtype, ndim=len(inputs.shape), spec=spec)
    input_shape(inputs.shape, spec)
    target = target_of(labels)
    read = _images if inputs.dtype == np.uint8 and len(inputs.shape) > 2 else _vectors  # noqa: PLR2004
    with ArrayCache(limits, format=spec.format, input=spec.input) as cache:
        decoded = cache.load() or cache.save(DecodedInputs(read(inputs, cache.array), np.ones(len(labels), bool)))
    rows = np.arange(len(labels), dtype=np.uint64)
    return Samples(
        decoded.inputs,
        target.codes,
        target.classes,
        rows,
        rows=len(rows),
        cache=limits.cache,
        columns=InputColumns((name,)),
    )


def target_of(labels: np.ndarray) -> Labels:
    """Return every row's class. Raises SingleClass."""
    target = one_class(pa.chunked_array([_column(labels)]), name="labels", locations=RowLocations())
    warn_of_negative(target, name="labels", locations=RowLocations())
    warn_of_doubtful(target)
    return target


def preview_arrays(
    inputs: ArrayStream, labels: ArrayStream, *, spec: DatasetSpec, summary: SchemaSummary
) -> SchemaSummary:
    """Return the summary with the classes, if the labels take little memory, and the first row.

    Raises what loading all rows would.
    """
    if labels.shape[0] * _row_bytes(labels.shape, labels.dtype) > TARGET_BYTES:
        return summary
    target = target_of(labels.read_all(Limits(), "labels"))
    block = next(iter(inputs.blocks))[:ROWS]
    with nullcontext() if len(block) == inputs.shape[0] else of_first_rows(len(block)):
        row = _first_row(block, spec)
    label = {"label": target.classes[int(target.codes[0])]}
    return replace(summary, classes=class_rows(target), first_row={summary.inputs[0]: row} | label)


def _first_row(block: np.ndarray, spec: DatasetSpec) -> str:
    if spec.base_task == "image-classification":
        return f"{'x'.join(map(str, input_shape(block.shape, spec)))} pixels"
    head = ArrayStream(block.shape, block.dtype, [block])
    return shown(_vectors(head, lambda shape, dtype, _: np.zeros(shape, dtype))[0].tolist())


def array_rows(inputs: ArrayStream, rows: Sequence[int], *, name: str, spec: DatasetSpec) -> Iterator[pa.RecordBatch]:
    """Yield each of the rows with these numbers, which ascend: a list of numbers, or an image as a PNG file."""
    as_column = _png_column if spec.base_task == "image-classification" else _list_column
    start, numbers = 0, iter(rows)
    row = next(numbers, None)
    for block in inputs.blocks:
        while row is not None and row < start + len(block):
            yield pa.record_batch({name: as_column(block[row - start])})
            row = next(numbers, None)
        if row is None:
            return
        start += len(block)


def _png_column(pixels: np.ndarray) -> pa.Array:
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(pixels.shape[:2]) if pixels.shape[2:] == (1,) else pixels).save(buffer, "PNG")
    return pa.array([buffer.getvalue()])


def _list_column(numbers: np.ndarray) -> pa.Array:
    values = _column(numbers)
    return pa.ListArray.from_arrays([0, len(values)], values)


def _column(values: np.ndarray) -> pa.Array:
    """The values for Arrow, which knows only the machine's own byte order."""
    return pa.array(values.reshape(-1).astype(values.dtype.newbyteorder("=")))


def _images(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    """Images of shape (n, height, width) or (n, height, width, channels) as (n, channels, height, width)."""
    rows, height, width, channels = (*inputs.shape, 1)[:4]
    images = allocate((rows, channels, height, width), np.uint8, f"{rows:,} images")
    digests = np.zeros(rows, np.uint64)
    start = 0
    for block in inputs.blocks:
        part = slice(start, start + len(block))
        images[part] = block.reshape(len(block), height, width, channels).transpose(0, 3, 1, 2)
        digests[part] = list(map(digest_of, images[part]))
        start += len(block)
    ImageFindings.of_arrays(digests, size=(width, height)).warn()
    return images


def _vectors(inputs: ArrayStream, allocate: Allocate) -> np.ndarray:
    vectors = allocate(inputs.shape, np.float32, f"{inputs.shape[0]:,} rows")
    check = FiniteCheck({"inputs": slice(None)}, RowLocations())
    origins = Origins.of(inputs.once_more() if may_lose_digits(inputs.dtype) else ())
    start = 0
    for block in inputs.blocks:
        rows = vectors[start : start + len(block)]
        rows[:] = origins.apply(block)
        check.add(rows)
        start += len(block)
    check.finish()
    return vectors
