"""What text formats share: rows and types are known only once a file has been read through."""

from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from ted_core.datasets.sources.base import Source
from ted_core.errors import SchemasDiffer

cached_per_source = lru_cache(1024)
"""Decorates a function of a source: it reads the file again only if its size or time has changed."""
COMPRESSED = ("", ".gz", ".bz2", ".zst")
"""What may follow the suffix of a text format."""


class Scan(NamedTuple):
    """What one pass over a file finds."""

    schema: pa.Schema
    rows: int


def type_differs_error(source: Source, column: pa.Field, *, expected: pa.DataType | None) -> SchemasDiffer:
    """Return the error that the first file's type, or lack of such a column, does not cover this file's column."""
    fact = f"Column {column.name!r} of {source.name} is {column.type}, in the first file {expected or 'absent'}"
    return SchemasDiffer(fact, field="dataset.uri")


def suffixes(*names: str) -> tuple[str, ...]:
    """Return a text format's suffixes, plain and compressed."""
    return tuple(name + compressed for name in names for compressed in COMPRESSED)


def text_of(source: Source) -> pa.NativeFile:
    """Open the file's text, which is decompressed as it is read."""
    return source.stream(source.compression())
