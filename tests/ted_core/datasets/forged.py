"""Parquet files that nobody would write: a footer in Thrift's compact protocol, and no data."""

import struct
from pathlib import Path

REQUIRED, BOOLEAN = b"\x35\x00", b"\x15\x00"
END = b"\x00"


def varint(number: int) -> bytes:
    """Seven bits at a time, the lowest first."""
    written = b""
    while number > 0x7F:
        written, number = written + bytes([number & 0x7F | 0x80]), number >> 7
    return written + bytes([number])


def zigzag(number: int) -> bytes:
    """A signed number."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def group(name: bytes, *, children: int) -> bytes:
    """A schema element that others lie below."""
    return REQUIRED + b"\x18" + varint(len(name)) + name + b"\x15" + zigzag(children) + END


def column(name: bytes) -> bytes:
    """A schema element that holds values."""
    return BOOLEAN + b"\x25\x00" + b"\x18" + varint(len(name)) + name + END


def with_schema(path: Path, *elements: bytes) -> Path:
    """A file of no rows that has this schema."""
    schema = b"\x19\xfc" + varint(len(elements)) + b"".join(elements)
    footer = b"\x15" + zigzag(2) + schema + b"\x16" + zigzag(0) + b"\x19\x0c" + END
    path.write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")
    return path


def deep_paths(path: Path, *, columns: int, name: bytes = b"n" * 1000, depth: int = 90) -> Path:
    """Columns without a name below groups with long ones. Every column's whole path is kept in memory."""
    down = [group(name, children=1)] * depth
    return with_schema(path, *down, group(name, children=columns), *[column(b"")] * columns)
