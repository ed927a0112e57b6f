"""Text formats tell rows and types only to those who read them through."""

from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from ted_core.datasets.sources.base import Source
from ted_core.errors import SchemasDiffer

cached_per_source = lru_cache(1024)
"""The same function of a source, which reads the file again only where its size or time has changed."""
COMPRESSED = ("", ".gz", ".bz2", ".zst")
"""What may follow the suffix of a text format."""


class Scan(NamedTuple):
    """What one pass over a file tells."""

    schema: pa.Schema
    rows: int


def type_differs_error(source: Source, found: pa.Field, *, known: pa.DataType | None) -> SchemasDiffer:
    """The error that a file's column is of a type that the first file's does not hold."""
    expected = known or "absent"
    fact = f"Column {found.name!r} of {source.name} is {found.type}, in the first file {expected}"
    return SchemasDiffer(fact, field="dataset.uri")


def suffixes(*names: str) -> tuple[str, ...]:
    """The suffixes of a text format, plain and compressed."""
    return tuple(name + compressed for name in names for compressed in COMPRESSED)


def text_of(source: Source) -> pa.NativeFile:
    """The file's text from its beginning, decompressed as it is read."""
    return source.stream(source.compression())
