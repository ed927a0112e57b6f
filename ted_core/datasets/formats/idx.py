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

from ted_core.datasets.formats.array_format import ArrayStream, ValueFile, array_samples, check_shapes, check_types
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, UnknownColumn, UnusableInputs, UnusableLabels

ByteStream = gzip.GzipFile | BufferedReader

UINT8 = 0x08
MOST_AXES = 4
MOST_DEFLATED = 1032
"""How many bytes one compressed byte can stand for: https://zlib.net/zlib_tech.html."""
PREFERRED = "train"
SHOWN = 10
DAMAGE = (OSError, EOFError, struct.error, zlib.error, ValueError)


def files(folder: Source, spec: DatasetSpec) -> Sequence[Source]:
    """Return the images' file and the labels': those that the request names, or the only ones that look like it.

    If a folder holds a training and a test set, the files whose names begin with "train" are taken.
    """
    if not folder.is_folder:
        fact = f"{folder} is a file; name the folder that holds images and labels"
        raise DatasetUnreadable(fact, field="dataset.uri")
    if isinstance(spec.input, list):
        raise UnusableInputs("An IDX dataset takes the name of one images file", field="dataset.input")
    if isinstance(spec.target, list):
        raise UnusableLabels("An IDX dataset takes the name of one labels file", field="dataset.target")
    images = _chosen(folder, spec.input, mark="idx3", field="dataset.input")
    return [images, _chosen(folder, spec.target, mark="idx1", field="dataset.target")]


def _chosen(folder: Source, name: str | None, *, mark: str, field: str) -> Source:
    files = folder.children()
    candidates = [file for file in files if (mark in file.name if name is None else file.name == name)]
    if name is None and len(candidates) > 1:
        candidates = [file for file in candidates if file.name.startswith(PREFERRED)]
    if len(candidates) != 1:
        names = ", ".join(file.name for file in files[:SHOWN])
        raise UnknownColumn(f"{name or f'*{mark}*'} does not name one file among {names}", field=field)
    return candidates[0]


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
    """Return the rows that the headers state; no values are read."""
    images, labels = (_shape(source) for source in sources)
    check_shapes(images, labels)
    check_types(np.dtype(np.uint8), np.dtype(np.uint8), ndim=len(images), spec=spec)
    return SchemaSummary(tuple(source.name for source in sources), (labels[0],))


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
        target = _values(labels, classes).read_all()
        return array_samples(_values(images, pixels), target, spec=spec, limits=limits)


IDX = Format(files, schema_summary, load)
