"""The records of delimited text and the lines where they begin, as Arrow's reader sees them.

Arrow is fast, but knows no lines: it counts rows, passes over empty ones, and does not say what was quoted. This is
read only for the header, and where something is wrong and a person has to find it.
"""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from ted_core.datasets.budget import current_budget
from ted_core.datasets.formats.text.notation import Notation
from ted_core.datasets.formats.text_scan import BYTE_ORDER_MARK, text_of
from ted_core.datasets.sources.base import Source

READ_BYTES = 1 << 20
LONGEST_LINE = 16 << 20
"""Bytes; what is longer is taken in parts."""
RECORDS_AT_A_TIME = 1 << 12
"""How many are read between two looks at the budget."""
QUOTE = b'"'


class Record(NamedTuple):
    """A row as it is written, with the line breaks inside and after it."""

    line: int
    """Where it begins, counted from 1 as in editors."""
    content: bytes
    is_closed: bool
    """Whether no quotation mark is open at its end."""

    @property
    def last_line(self) -> int:
        """Where it ends."""
        return self.line + len(self.content.splitlines()) - 1


def records(source: Source, notation: Notation) -> Iterator[Record]:
    """Yield the records in order, the header among them, without empty lines, as far as the budget goes."""
    budget = current_budget()
    for number, record in enumerate(_records(source, notation), start=1):
        yield record
        if number % RECORDS_AT_A_TIME == 0 and budget.is_spent():
            return


def _records(source: Source, notation: Notation) -> Iterator[Record]:
    opening = notation.delimiter.encode() + QUOTE
    parts: list[bytes] = []
    first, size, is_open = 0, 0, False
    for number, line in enumerate(_lines(source), start=1):
        if not parts:
            if not line.strip(b"\r\n"):
                continue
            first, size = number, 0
        parts.append(line)
        size += len(line)
        if notation.quoting and QUOTE in line:
            is_open = _ends_open(line, opening, is_open=is_open)
        if not is_open or size > LONGEST_LINE:
            yield Record(first, b"".join(parts), not is_open)
            parts, is_open = [], False
    if parts:
        yield Record(first, b"".join(parts), is_closed=False)


def _lines(source: Source) -> Iterator[bytes]:
    with closing(text_of(source)) as file:
        rest = bytes(file.read(len(BYTE_ORDER_MARK))).removeprefix(BYTE_ORDER_MARK)
        while block := file.read(READ_BYTES):
            *whole, rest = (rest + block).splitlines(keepends=True)
            yield from whole
            if len(rest) > LONGEST_LINE:
                yield rest
                rest = b""
    yield from rest.splitlines(keepends=True)


def _ends_open(line: bytes, opening: bytes, *, is_open: bool) -> bool:
    """Whether a quotation mark is open at the line's end. One opens only where a value begins."""
    position = 0 if is_open else _first_opening(line, opening)
    while position >= 0:
        position = _after_closing(line, position)
        if position < 0:
            return True
        position = _after(line, opening, position)
    return False


def _first_opening(line: bytes, opening: bytes) -> int:
    return len(QUOTE) if line.startswith(QUOTE) else _after(line, opening, 0)


def _after(line: bytes, mark: bytes, start: int) -> int:
    """Where the next such mark ends; -1 without one."""
    found = line.find(mark, start)
    return -1 if found < 0 else found + len(mark)


def _after_closing(text: bytes, start: int) -> int:
    """Where the quoted value that is open at the start ends, behind its mark; -1 if it does not. Two marks are one."""
    end = _after(text, QUOTE, start)
    while end >= 0 and text.startswith(QUOTE, end):
        end = _after(text, QUOTE, end + 1)
    return end


# --- inside a record --------------------------------------------------------------------------------------------------


def width(record: Record, notation: Notation) -> int:
    """Return how many values the record has."""
    if not notation.quoting:
        return record.content.count(notation.delimiter.encode()) + 1
    return sum(1 for _ in _starts(record.content, notation))


def is_quoted(record: Record, notation: Notation, column: int) -> bool:
    """Return whether the value in this column is quoted."""
    start = next(islice(_starts(record.content, notation), column, None), None)
    return start is not None and record.content.startswith(QUOTE, start)


def _starts(content: bytes, notation: Notation) -> Iterator[int]:
    """Where the values begin."""
    delimiter, start = notation.delimiter.encode(), 0
    while start >= 0:
        yield start
        if content.startswith(QUOTE, start):
            start = _after_closing(content, start + 1)
        start = _after(content, delimiter, start) if start >= 0 else start


def text_follows_quotes(record: Record, notation: Notation) -> bool:
    """Return whether a quoted value continues behind its closing mark, which no program writes."""
    delimiter, content = notation.delimiter.encode(), record.content
    position = _first_opening(content, opening := delimiter + QUOTE)
    while position >= 0 and (position := _after_closing(content, position)) >= 0:
        if content[position : position + 1] not in (b"", b"\r", b"\n", delimiter):
            return True
        position = _after(content, opening, position)
    return False


def is_utf8(content: bytes) -> bool:
    """Return whether these bytes are text in UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
