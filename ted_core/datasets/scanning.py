"""Text formats tell rows and types only to those who read them through."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ted_core.errors import SchemasDiffer

KEPT = 1024
"""Scans that are remembered; each is as small as a schema."""
COMPRESSED = ("", ".gz", ".bz2", ".zst")
"""What may follow the suffix of a text format."""
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
"""How compressed files begin; unlike a suffix, that outlives a link to the file."""


class Scan(NamedTuple):
    """What one pass over a file tells."""

    schema: pa.Schema
    rows: int


def remembered(scan: Callable[[Path], Scan]) -> Callable[[Path], Scan]:
    """The same scan, which reads a file again only where its size or time has changed."""

    @lru_cache(KEPT)
    def once(path: Path, _: tuple[int, int, int]) -> Scan:
        return scan(path)

    return lambda path: once(path, _stamp(path.stat()))


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def other_type(path: Path, found: pa.Field, *, known: pa.DataType | None) -> SchemasDiffer:
    """The error that a file's column is of a type that the first file's does not hold."""
    expected = known or "absent"
    fact = f"Column {found.name!r} of {path.name} is {found.type}, in the first file {expected}"
    return SchemasDiffer(fact, field="dataset.uri")


def suffixes(*names: str) -> tuple[str, ...]:
    """The suffixes of a text format, plain and compressed."""
    return tuple(name + compressed for name in names for compressed in COMPRESSED)


def text_of(path: Path) -> pa.NativeFile:
    """The file's text from its beginning, decompressed as it is read."""
    with path.open("rb") as file:
        begin = file.read(4)
    compression = next((name for magic, name in MAGIC.items() if begin.startswith(magic)), None)
    return pa.input_stream(str(path), compression=compression)
