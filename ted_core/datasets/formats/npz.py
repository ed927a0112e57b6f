"""NumPy archives: one array of inputs, one of labels. Never a pickle."""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from ted_core.datasets.columns.preview import TARGET_BYTES
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.formats.array_format import (
    MOST_DEFLATED,
    ArrayStream,
    Readable,
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
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import (
    DatasetTooLarge,
    DatasetUnreadable,
    SettingUnsuited,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)

DEFAULT_INPUT, DEFAULT_TARGET = "x", "y"
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, RuntimeError, OSError, ValueError, EOFError),
    *(SyntaxError, TypeError, LookupError),  # NumPy, for a header that is a literal, but not of its own
    MemoryError,  # Python's parser, for a header of many operators
)
"""What the libraries raise if the archive or a header inside it is damaged."""
LONGEST_HEADER = 10_000
"""Bytes. NumPy refuses longer ones too, but only once it has read as many as the header claims to have."""

LONGEST_DIRECTORY = 1 << 20
"""Bytes of the archive's list of files, which is read as a whole."""
MOST_ARRAYS = 1000
EXPANSION = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: MOST_DEFLATED}
"""How NumPy stores arrays, and how many bytes one byte can stand for then."""


class Header(NamedTuple):
    """What the first bytes of an array say."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_column: bool
    """Whether values of one column follow each other, as in Fortran."""


@dataclass(frozen=True)
class HeaderReader:
    """A file from which no more is read than a header can have."""

    file: Readable

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises ValueError for more than a header can have."""
        if not 0 <= size <= LONGEST_HEADER:
            raise ValueError(f"a header claims to have {size:,} bytes")
        return self.file.read(size)


def files(archive: Source, spec: DatasetSpec) -> Sequence[Source]:
    """Return the one archive."""
    if archive.is_folder:
        raise DatasetUnreadable(f"{archive} is a folder, not an .npz file", field="dataset.uri")
    if spec.split:
        raise SettingUnsuited("An .npz archive is a single file, of no splits", field="dataset.split")
    return [archive]


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
    """Return arrays and rows from the headers inside the archive; no values are read."""
    headers = _headers(sources[0])
    names = _names(list(headers), spec)
    inputs, labels = (headers[name] for name in names)
    check_shapes(inputs.shape, labels.shape)
    check_types(inputs.dtype, labels.dtype, ndim=len(inputs.shape), spec=spec)
    shape = input_shape(inputs.shape, spec)
    return SchemaSummary(tuple(headers), (labels.shape[0],), input_shape=shape, inputs=names[:1], targets=names[1:])


def _headers(source: Source) -> dict[str, Header]:
    try:
        with _opened(source) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _header(archive, name) for name in members}
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} is not an .npz archive", error, field="dataset.format") from error


@contextmanager
def _opened(source: Source) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises ValueError for one that lists more files than there would be arrays, or compresses them in
    another way."""
    with ArchiveBytes(source.open(), source.read_ahead) as file, zipfile.ZipFile(file) as archive:
        if len(archive.filelist) > MOST_ARRAYS:
            raise ValueError(f"it holds {len(archive.filelist):,} arrays, more than {MOST_ARRAYS:,}")
        if any(member.compress_type not in EXPANSION for member in archive.filelist):
            raise ValueError("it is compressed in a way that NumPy does not use")
        file.longest_read = None
        yield archive


class ArchiveBytes(io.BufferedReader):
    """An archive's bytes, as zipfile asks for them."""

    longest_read: int | None = LONGEST_DIRECTORY
    """What may be read at once; None once the directory is known."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes. Raises ValueError for more of a directory than there would be."""
        if size and self.longest_read and size > self.longest_read:
            raise ValueError(f"its directory takes {size:,} bytes, more than {self.longest_read:,}")
        return super().read(size)


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        return _read_header(file)


def _read_header(file: Readable) -> Header:
    """Reads up to the values."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read(HeaderReader(file))
    if not all(type(length) is int and length >= 0 for length in shape) or not dtype.itemsize:
        raise ValueError("a header describes values that cannot be")
    return Header(shape, dtype, by_column and len(shape) > 1)


def _names(arrays: Sequence[str], spec: DatasetSpec) -> tuple[str, str]:
    if isinstance(spec.input, list):
        raise UnusableInputs("An .npz archive takes the name of one array", field="dataset.input")
    if isinstance(spec.target, list):
        raise UnusableLabels("An .npz archive takes the name of one array", field="dataset.target")
    names = {"dataset.input": spec.input or DEFAULT_INPUT, "dataset.target": spec.target or DEFAULT_TARGET}
    for field, name in names.items():
        if name not in arrays:
            raise UnknownColumn(f"{name!r} is not among {abbreviated_list(arrays)}", field=field)
    return names["dataset.input"], names["dataset.target"]


def load(sources: Sequence[Source], spec: DatasetSpec, limits: Limits) -> Samples:
    """Read the labels and then the inputs, without ever holding these twice."""
    source = sources[0]
    inputs, labels = _names(list(_headers(source)), spec)
    with _opened(source) as archive:
        target = _values(archive, labels, name=source.name, limits=limits).read_all(limits, "labels")
        read = partial(_values, archive, inputs, name=source.name, limits=limits)
        values = read()
        is_streamed = not isinstance(values.blocks, list)
        again = read if is_streamed else None
        return array_samples(values._replace(again=again), target, name=inputs, spec=spec, limits=limits)


def read_rows(
    sources: Sequence[Source], spec: DatasetSpec, _: Sequence[str], rows: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Yield these rows of the inputs, and read no value after the last of them."""
    inputs, _labels = _names(list(_headers(sources[0])), spec)
    with _opened(sources[0]) as archive:
        values = _values(archive, inputs, name=sources[0].name, limits=Limits())
        yield from array_rows(values, rows, name=inputs, spec=spec)


def _values(archive: zipfile.ZipFile, array: str, *, name: str, limits: Limits) -> ArrayStream:
    """The array's values; in Fortran's order, in which a row's values are scattered, they are read all at once."""
    member = archive.getinfo(f"{array}.npy")
    try:
        file = archive.open(member)
        header = _read_header(file)
    except DAMAGE as error:
        raise unreadable_error(f"{name} is damaged", error) from error
    shape = header.shape[::-1] if header.by_column else header.shape
    available = min(member.file_size, member.compress_size * EXPANSION[member.compress_type])
    values = ValueFile(file, name, DAMAGE).array(shape, header.dtype, available=available)
    if not header.by_column:
        return values
    return ArrayStream(header.shape, header.dtype, [values.read_all(limits, "inputs in Fortran's order").T])


def preview(sources: Sequence[Source], spec: DatasetSpec, summary: SchemaSummary) -> SchemaSummary:
    """Return the summary with classes and first row; without, if inputs in Fortran's order take much memory."""
    source, limits = sources[0], Limits(memory_bytes=TARGET_BYTES)
    with _opened(source) as archive:
        try:
            arrays = [_values(archive, name, name=source.name, limits=limits) for name in _names(summary.columns, spec)]
        except DatasetTooLarge:
            return summary
        return preview_arrays(*arrays, spec=spec, summary=summary)


NPZ = Format(files, schema_summary, load, preview, read_rows=read_rows)
