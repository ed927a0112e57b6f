"""The names and shapes of the weights in a GGUF file, whose settings and vocabulary come first. Torch-free."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

MAGIC, VERSIONS = b"GGUF", (2, 3)
LONGEST_HEADER = 16 << 20
"""Bytes. A vocabulary of 256,000 words takes 12 MB."""
MOST_AXES, MOST_TENSORS = 4, 100_000
U32, U64 = struct.Struct("<I"), struct.Struct("<Q")
STRING, ARRAY = 8, 9
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Type of a value → its bytes."""


def gguf_shapes(file: Path) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the name of each weight with its shape, outputs before inputs as torch has it.

    Raises ValueError, LookupError or struct.error if the file is none, or its header too long.
    """
    with file.open("rb") as content:
        header = _Header(content.read(LONGEST_HEADER))
    if header.content[:4] != MAGIC or header.skip(4).number(U32) not in VERSIONS:
        raise ValueError("no GGUF file of version 2 or 3")
    tensors, settings = header.number(U64), header.number(U64)
    if tensors > MOST_TENSORS:
        raise ValueError(f"it is to list {tensors:,} weights")
    for _ in range(settings):
        header.skip_string().skip_value(header.number(U32))
    for _ in range(tensors):
        yield header.string(), header.shape()


class _Header:
    """Bytes, and the place up to which they are read. Places beyond the end show when something is read there."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def skip(self, size: int) -> "_Header":
        self.place += size
        return self

    def number(self, layout: struct.Struct) -> int:
        (value,) = layout.unpack_from(self.content, self.place)
        self.skip(layout.size)
        return int(value)

    def string(self) -> str:
        size, start = self.number(U64), self.place
        self.skip(size)
        return str(self.content[start : self.place], "utf-8")

    def skip_string(self) -> "_Header":
        return self.skip(self.number(U64))

    def skip_value(self, kind: int) -> None:
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            self._skip_array()
        else:
            self.skip(WIDTHS[kind])

    def _skip_array(self) -> None:
        kind, count = self.number(U32), self.number(U64)
        if kind == STRING:
            self._skip_strings(count)
        else:
            self.skip(WIDTHS[kind] * count)

    def _skip_strings(self, count: int) -> None:
        """In one loop, since a vocabulary and its merges are half a million."""
        content, place, length, size = self.content, self.place, U64.unpack_from, U64.size
        for _ in range(count):
            place += size + length(content, place)[0]
        self.place = place

    def shape(self) -> list[int]:
        axes = self.number(U32)
        if axes > MOST_AXES:
            raise ValueError(f"a weight with {axes} axes")
        sides = [self.number(U64) for _ in range(axes)]
        self.skip(U32.size + U64.size)  # its type and place
        return sides[::-1]
