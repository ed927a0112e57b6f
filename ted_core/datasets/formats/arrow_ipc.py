"""How many rows an Arrow IPC file or stream holds, from the headers of its messages alone: no column is read.

A message is a length, a header of that length (a FlatBuffers table), and a body whose length the header tells. See
"Encapsulated message format" in Arrow's columnar format, version 1.5, and ``MessageHeader.fbs`` there.
"""

import struct
from collections.abc import Iterator
from io import BufferedIOBase
from struct import unpack_from
from typing import NamedTuple

MAGIC, PADDED = b"ARROW1", 8
"""How a file begins, and where its messages do; a stream begins with its first message."""
CONTINUES = 0xFFFFFFFF
"""Stands before each length since format version 0.15."""
RECORD_BATCH = 3
LONGEST_HEADER = 1 << 24
HEADER_TYPE, HEADER, BODY_LENGTH = range(1, 4)
LENGTH = 0


class MessageHeader(NamedTuple):
    """What a header says."""

    rows: int
    """0 for a schema or a dictionary."""
    body: int
    """Bytes that follow the header."""


def rows_in(file: BufferedIOBase) -> int:
    """The rows of all record batches. Raises ValueError where the headers make no sense."""
    file.seek(PADDED if file.read(len(MAGIC)) == MAGIC else 0)
    return sum(message.rows for message in _messages(file))


def _messages(file: BufferedIOBase) -> Iterator[MessageHeader]:
    while length := _length(file):
        header = file.read(length)
        if len(header) < length:
            raise ValueError("a message is cut short")
        message = _message_header(header)
        yield message
        file.seek(message.body, 1)


def _length(file: BufferedIOBase) -> int:
    """Of the next header; 0 where there is none."""
    word = int.from_bytes(file.read(4), "little")
    length = int.from_bytes(file.read(4), "little") if word == CONTINUES else word
    if length > LONGEST_HEADER:
        raise ValueError(f"a message has a header of {length} bytes")
    return length


def _message_header(header: bytes) -> MessageHeader:
    try:
        table = FlatBuffersTable(header, _offset(header, 0))
        body = table.number(BODY_LENGTH, "<q")
        is_batch = table.number(HEADER_TYPE, "<B") == RECORD_BATCH
        rows = table.table(HEADER).number(LENGTH, "<q") if is_batch else 0
    except struct.error as error:
        raise ValueError("a message has no readable header") from error
    if rows < 0 or body < 0:
        raise ValueError(f"a message has {rows} rows in {body} bytes")
    return MessageHeader(rows, body)


class FlatBuffersTable(NamedTuple):
    """A FlatBuffers table in some bytes."""

    data: bytes
    at: int

    def number(self, field: int, kind: str) -> int:
        """The number in this field, 0 where it is left out. Raises struct.error where it would lie elsewhere."""
        place = self._place(field)
        return int(unpack_from(kind, self.data, place)[0]) if place else 0

    def table(self, field: int) -> "FlatBuffersTable":
        """The table that this field refers to."""
        return FlatBuffersTable(self.data, _offset(self.data, self._place(field)))

    def _place(self, field: int) -> int:
        """Where the field lies; 0 for nowhere."""
        fields = self.at - unpack_from("<i", self.data, self.at)[0]
        (size,) = unpack_from("<H", self.data, fields)
        where = 4 + 2 * field
        (offset,) = unpack_from("<H", self.data, fields + where) if where < size else (0,)
        return self.at + offset if offset else 0


def _offset(data: bytes, at: int) -> int:
    """Where the reference at this place leads."""
    return at + int(unpack_from("<I", data, at)[0])
