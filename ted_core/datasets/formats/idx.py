"""IDX, the format of MNIST: a file of images and a file of labels, gzipped or not.

The layout is that of http://yann.lecun.com/exdb/mnist: two zero bytes, a type code, the number of axes, each axis'
length as big-endian uint32, then the values.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader

import numpy as np
import pyarrow as pa

from ted_core.datasets.formats.array_format import (
    MOST_DEFLATED,
    ArrayStream,
    ValueFile,
    array_rows,
    array_samples,
    check_shapes,
    check_types,
    input_shape,
    preview_arrays,
)
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.sources.passed_over import PassedOver
from ted_core.datasets.sources.splits import TRAINING, chosen_split, of_split, split_of
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SettingUnsuited, UnknownColumn, UnusableInputs, UnusableLabels

ByteStream = gzip.GzipFile | BufferedReader

UINT8 = 0x08
MOST_AXES = 4
SHOWN = 10
DAMAGE = (OSError, EOFError, struct.error, zlib.error, ValueError)


def files(folder: Source, spec: DatasetSpec) -> Sequence[Source]:
    """Return the images' file and the labels': those that the request names, or the only ones that look like it.

    If a folder holds several splits, the files of the one that the request names are taken, or those to train on.
    """
    if not folder.is_folder:
        fact = f"{folder} is a file; name the folder that holds images and labels"
        raise DatasetUnreadable(fact, field="dataset.uri")
    if isinstance(spec.input, list):
        raise UnusableInputs("An IDX dataset takes the name of one images file", field="dataset.input")
    if isinstance(spec.target, list):
        raise UnusableLabels("An IDX dataset takes the name of one labels file", field="dataset.target")
    chosen = [
        _named(folder, name, field, spec.split) if name else _only(folder, mark, field, spec.split)
        for name, mark, field in (
            (spec.input, "idx3", "dataset.input"),
            (spec.target, "idx1", "dataset.target"),
        )
    ]
    _report_others(folder, chosen)
    return chosen


def _named(folder: Source, name: str, field: str, split: str | None) -> Source:
    """The file of this name. Raises SettingUnsuited if a split is asked for that the name does not tell."""
    if split and not chosen_split([split_of(name)], split):
        raise SettingUnsuited(f"{name} is named, which is not of split {split!r}", field="dataset.split")
    return _one([file for file in folder.children() if file.name == name], folder, name, field)


def _only(folder: Source, mark: str, field: str, split: str | None) -> Source:
    """The one file with this mark in its name that belongs to the split, or, among several, to the rows to train on."""
    candidates = [file for file in folder.children() if mark in file.name]
    if split:
        candidates = of_split(candidates, split, where=folder)
    elif len(candidates) > 1:
        candidates = [file for file in candidates if (split_of(file.name) or "").lower() in TRAINING]
    return _one(candidates, folder, f"*{mark}*", field)


def _one(candidates: Sequence[Source], folder: Source, description: str, field: str) -> Source:
    if len(candidates) != 1:
        names = ", ".join(file.name for file in folder.children()[:SHOWN])
        raise UnknownColumn(f"{description} does not name one file among {names}", field=field)
    return candidates[0]


def _report_others(folder: Source, chosen: Sequence[Source]) -> None:
    others = PassedOver(str(folder), "neither the images nor the labels", may_be_data=lambda _: False)
    names = {file.name for file in chosen}
    for child in folder.children():
        if child.name not in names:
            split = split_of(child.name)
            others.note(child.name, f"of split {split}, which dataset.split may name" if split else others.reason)
    others.report()


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
    """Return the rows that the headers state; no values are read."""
    images, labels = (_shape(source) for source in sources)
    check_shapes(images, labels)
    check_types(np.dtype(np.uint8), np.dtype(np.uint8), ndim=len(images), spec=spec)
    names = tuple(source.name for source in sources)
    shape = input_shape(images, spec)
    return SchemaSummary(names, (labels[0],), input_shape=shape, inputs=names[:1], targets=names[1:])


def _shape(source: Source) -> tuple[int, ...]:
    try:
        with _opened(source) as file:
            return _header(file)
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} is not an IDX file", error, field="dataset.format") from error


@contextmanager
def _opened(source: Source) -> Iterator[ByteStream]:
    with source.open_buffered() as file:
        yield gzip.GzipFile(fileobj=file) if source.compression() == "gzip" else file


def _header(file: ByteStream) -> tuple[int, ...]:
    zero, type_code, axes = struct.unpack(">HBB", file.read(4))
    if zero or type_code != UINT8 or not 1 <= axes <= MOST_AXES:
        raise ValueError("no IDX header of unsigned bytes")
    return struct.unpack(f">{axes}I", file.read(4 * axes))


def _values(source: Source, file: ByteStream) -> ArrayStream:
    """The file's values, which follow its header."""
    try:
        shape = _header(file)
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} is damaged", error) from error
    available = source.size * (MOST_DEFLATED if isinstance(file, gzip.GzipFile) else 1)
    return ValueFile(file, source.name, DAMAGE).array(shape, np.dtype(np.uint8), available=available)


def load(sources: Sequence[Source], spec: DatasetSpec, limits: Limits) -> Samples:
    """Read the labels and then the images, without ever holding these twice."""
    images, labels = sources
    with _opened(images) as pixels, _opened(labels) as classes:
        target = _values(labels, classes).read_all(limits, "labels")
        return array_samples(_values(images, pixels), target, name=images.name, spec=spec, limits=limits)


def preview(sources: Sequence[Source], spec: DatasetSpec, summary: SchemaSummary) -> SchemaSummary:
    """Return the summary with classes and first row."""
    images, labels = sources
    with _opened(images) as pixels, _opened(labels) as classes:
        return preview_arrays(_values(images, pixels), _values(labels, classes), spec=spec, summary=summary)


def read_rows(
    sources: Sequence[Source], spec: DatasetSpec, _: Sequence[str], rows: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Yield these images, and read no further than up to the last of them."""
    with _opened(sources[0]) as pixels:
        yield from array_rows(_values(sources[0], pixels), rows, name=sources[0].name, spec=spec)


IDX = Format(files, schema_summary, load, preview, read_rows=read_rows)
