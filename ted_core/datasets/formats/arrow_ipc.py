"""How many rows an Arrow IPC file or stream holds, from the headers of its messages alone: no column is read.

A message is a length, a header of that length (a FlatBuffers table), and a body whose length the header states. A
stream's messages follow each other; a file's footer says where those of its batches lie, with gaps between them or
none. See "Encapsulated message format" and "IPC File Format" in Arrow's columnar format, version 1.5, and
``Message.fbs`` and ``File.fbs`` there.
"""

import struct
from collections.abc import Iterator
from io import BufferedIOBase
from struct import unpack_from
from typing import NamedTuple

from ted_core.datasets.budget import within_budget

MAGIC = b"ARROW1"
"""How a file begins and ends; a stream begins with its first message."""
CONTINUATION = 0xFFFFFFFF
"""The marker before each length since format version 0.15."""
RECORD_BATCH = 3
LONGEST_HEADER, LONGEST_FOOTER = 1 << 24, 1 << 26
HEADER_TYPE, HEADER, BODY_LENGTH = range(1, 4)
LENGTH = 0
RECORD_BATCHES = 3
"""The field of the footer that lists the batches' blocks."""
BLOCK = struct.Struct("<qi4xq")
"""Where a block begins, and how long its header and its body are."""


class MessageHeader(NamedTuple):
    """What the header of a message says."""

    rows: int
    """0 for a schema or a dictionary."""
    body_bytes: int


def rows_in(file: BufferedIOBase) -> int:
    """Return the rows of all record batches, as far as the inspection's budget goes.

    Raises ValueError if the headers make no sense.
    """
    is_file = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return sum(message.rows for message in within_budget(_blocks(file) if is_file else _messages(file)))


def _blocks(file: BufferedIOBase) -> Iterator[MessageHeader]:
    """The headers of a file's batches, which its footer lists."""
    footer = _footer(file)
    try:
        positions = [BLOCK.unpack_from(footer.data, start)[0] for start in footer.structs(RECORD_BATCHES, BLOCK.size)]
    except struct.error as error:
        raise ValueError("the footer lists blocks outside of itself") from error
    for position in positions:
        if position < 0:
            raise ValueError(f"a block begins at {position}")
        file.seek(position)
        message = next(_messages(file), None)
        if message is None:
            raise ValueError("the footer lists a block that is none")
        yield message


def _footer(file: BufferedIOBase) -> "FlatBuffersTable":
    """The table at the end of a file: the footer, its length, and the magic bytes."""
    tail = 4 + len(MAGIC)
    end = file.seek(0, 2)
    file.seek(max(0, end - tail))
    length = int.from_bytes(file.read(4), "little")
    if file.read(len(MAGIC)) != MAGIC or length > min(LONGEST_FOOTER, end - tail):
        raise ValueError("the file has no footer")
    file.seek(end - tail - length)
    footer = file.read(length)
    try:
        return FlatBuffersTable(footer, _target(footer, 0))
    except struct.error as error:
        raise ValueError("the footer is not readable") from error


def _messages(file: BufferedIOBase) -> Iterator[MessageHeader]:
    while length := _length(file):
        header = file.read(length)
        if len(header) < length:
            raise ValueError("a message is cut short")
        message = _message_header(header)
        yield message
        file.seek(message.body_bytes, 1)


def _length(file: BufferedIOBase) -> int:
    """The length of the next header; 0 at the end."""
    word = int.from_bytes(file.read(4), "little")
    length = int.from_bytes(file.read(4), "little") if word == CONTINUATION else word
    if length > LONGEST_HEADER:
        raise ValueError(f"a message has a header of {length} bytes")
    return length


def _message_header(header: bytes) -> MessageHeader:
    try:
        table = FlatBuffersTable(header, _target(header, 0))
        body_bytes = table.number(BODY_LENGTH, "<q")
        is_batch = table.number(HEADER_TYPE, "<B") == RECORD_BATCH
        rows = table.table(HEADER).number(LENGTH, "<q") if is_batch else 0
    except struct.error as error:
        raise ValueError("a message has no readable header") from error
    if rows < 0 or body_bytes < 0:
        raise ValueError(f"a message has {rows} rows in {body_bytes} bytes")
    return MessageHeader(rows, body_bytes)


class FlatBuffersTable(NamedTuple):
    """A FlatBuffers table in some bytes."""

    data: bytes
    position: int

    def number(self, field: int, layout: str) -> int:
        """Return the number in this field, 0 if it is left out. Raises struct.error if it lies outside the bytes."""
        position = self._field_position(field)
        return int(unpack_from(layout, self.data, position)[0]) if position else 0

    def table(self, field: int) -> "FlatBuffersTable":
        """Return the table that this field refers to."""
        return FlatBuffersTable(self.data, _target(self.data, self._field_position(field)))

    def structs(self, field: int, size: int) -> range:
        """Return where the structs of this size lie that this field lists. Raises struct.error for more than fit in."""
        if not (position := self._field_position(field)):
            return range(0)
        start = _target(self.data, position)
        (count,) = unpack_from("<I", self.data, start)
        if start + 4 + count * size > len(self.data):
            raise struct.error
        return range(start + 4, start + 4 + count * size, size)

    def _field_position(self, field: int) -> int:
        """0 if the field is left out."""
        vtable = self.position - unpack_from("<i", self.data, self.position)[0]
        (vtable_bytes,) = unpack_from("<H", self.data, vtable)
        entry = 4 + 2 * field
        (offset,) = unpack_from("<H", self.data, vtable + entry) if entry < vtable_bytes else (0,)
        return self.position + offset if offset else 0


def _target(data: bytes, position: int) -> int:
    """The position that the reference at this position leads to."""
    return position + int(unpack_from("<I", data, position)[0])
