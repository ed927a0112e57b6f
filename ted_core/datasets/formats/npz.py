"""NumPy archives: one array of inputs, one of labels. Never a pickle."""

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.formats.array_format import (
    ArrayStream,
    Readable,
    ValueFile,
    array_samples,
    check_shapes,
    check_types,
)
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, UnknownColumn, UnusableInputs, UnusableLabels

DEFAULT_INPUT, DEFAULT_TARGET = "x", "y"
DAMAGE = (zipfile.BadZipFile, zlib.error, tokenize.TokenError, RuntimeError, OSError, ValueError, EOFError)
"""What the libraries raise if the archive or a header inside it is damaged."""
LONGEST_HEADER = 10_000
"""Bytes. NumPy refuses longer ones too, but only once it has read as many as the header claims to have."""


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


def files(archive: Source, _: DatasetSpec) -> Sequence[Source]:
    """Return the one archive."""
    if archive.is_folder:
        raise DatasetUnreadable(f"{archive} is a folder, not an .npz file", field="dataset.uri")
    return [archive]


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
    """Return arrays and rows from the headers inside the archive; no values are read."""
    headers = _headers(sources[0])
    inputs, labels = (headers[name] for name in _names(list(headers), spec))
    check_shapes(inputs.shape, labels.shape)
    check_types(inputs.dtype, labels.dtype, ndim=len(inputs.shape), spec=spec)
    return SchemaSummary(tuple(headers), (labels.shape[0],))


def _headers(source: Source) -> dict[str, Header]:
    try:
        with source.open_buffered() as file, zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _header(archive, name) for name in members}
    except DAMAGE as error:
        raise unreadable_error(f"{source.name} is not an .npz archive", error, field="dataset.format") from error


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        return _read_header(file)


def _read_header(file: Readable) -> Header:
    """Reads up to the values."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read(HeaderReader(file))
    if min(shape, default=0) < 0 or not dtype.itemsize:
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
    with source.open_buffered() as file, zipfile.ZipFile(file) as archive:
        target = _values(archive, labels, name=source.name).read_all()
        return array_samples(_values(archive, inputs, name=source.name), target, spec=spec, limits=limits)


def _values(archive: zipfile.ZipFile, array: str, *, name: str) -> ArrayStream:
    """The array's values; in Fortran's order, in which a row's values are scattered, they are read all at once."""
    member = archive.getinfo(f"{array}.npy")
    try:
        file = archive.open(member)
        header = _read_header(file)
    except DAMAGE as error:
        raise unreadable_error(f"{name} is damaged", error) from error
    shape = header.shape[::-1] if header.by_column else header.shape
    values = ValueFile(file, name, DAMAGE).array(shape, header.dtype, available=member.file_size)
    return ArrayStream(header.shape, header.dtype, [values.read_all().T]) if header.by_column else values


NPZ = Format(files, schema_summary, load)
