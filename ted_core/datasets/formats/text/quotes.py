"""Quotation marks that are not what they are read as.

A stray mark swallows rows up to the next one. A text with line breaks is usual, and its own writer quotes it, so that
line breaks alone prove nothing. What a stray mark swallows are whole rows: without quotation marks each of the record's
lines would be a row of its own, with as many values as the others. Such a record is taken for swallowed rows if,
besides, something follows the closing mark, which no program writes, or if the values that those rows would have are
values of their columns: numbers among numbers, classes that occur elsewhere. Not if the column is quoted in every row;
and what is believed although much speaks against it comes with a warning.

Where nothing is quoted, a file that could well be quoted is no less odd: its values keep their marks with a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.formats.text.notation import COMMA, Notation
from ted_core.datasets.formats.text.records import Record, is_quoted, records, text_follows_quotes
from ted_core.datasets.formats.text.values import is_numeric, is_padded, widened
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetUnreadable
from ted_core.warnings import WarningCode

MOST_DOUBTFUL = 1000
"""Records that are looked at again, as they are written."""
MANY_SEPARATORS = 6
"""So many in the right places are no accident."""
QUOTE, BACKSLASH = '"', "\\"
MOST_ESCAPED = 20
"""Rows with a backslash that are looked at again."""
FEWEST_ROWS = 10
"""In fewer rows too much occurs by accident."""
ROWS_PER_CATEGORY = 2
"""On average; values that occur less often are no classes."""
ENOUGH = 2
"""Evidence: one value that is a class, or two numbers."""
MOST_COMPARED = 1000
"""Records by which to tell whether a column is always quoted."""


class Swallowed(NamedTuple):
    """A value that holds what would be rows."""

    row: int
    column: int
    lines: tuple[str, ...]

    def values(self, delimiter: str, width: int) -> Mapping[int, list[str]]:
        """Return what the other columns would hold in the rows that it would be, by column."""
        found: dict[int, list[str]] = {}
        last = len(self.lines) - 1
        for number, line in enumerate(self.lines):
            first_column = self.column if number == 0 else 0
            for column, value in enumerate(line.split(delimiter), start=first_column):
                if column != self.column and column < width and not (number == last and column > self.column):
                    found.setdefault(column, []).append(value)
        return found


@dataclass
class QuoteCheck:
    """Looks at a file's batches one after another, and, if need be, into the file itself."""

    source: Source
    notation: Notation
    rows: int = 0
    """Rows that have been looked at."""
    doubtful: dict[int, Swallowed] = field(default_factory=dict)
    """Row → what may have been swallowed there."""
    trusted: dict[int, bool] = field(default_factory=dict)
    """Column → whether what is quoted there is one value, as far as that was asked for."""
    escaped: set[int] = field(default_factory=set)
    """The first rows in which a backslash may stand before a quotation mark."""
    quoted: int = 0
    """Values with quotation marks where these belong to the values."""
    all_quoted: bool = True
    """Whether each of them could be one that was quoted as in CSV."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows, all of them strings. Raises DatasetUnreadable, which names the line."""
        if self.notation.quoting and batch.num_columns > 1:
            self._look_for_swallowed(batch)
            self._look_for_escaped(batch)
        elif not self.notation.quoting:
            self._look_for_quoted(batch)
        self.rows += batch.num_rows

    def _look_for_swallowed(self, batch: pa.RecordBatch) -> None:
        for found in _swallowed(batch, self.notation.delimiter):
            row = self.rows + found.row
            if len(self.doubtful) < MOST_DOUBTFUL:
                self.doubtful[row] = found
                if not self._is_trusted(found.column) and _fits(found, batch, self.notation.delimiter):
                    raise self._error(next(self._written({row}), None), found)

    def _look_for_escaped(self, batch: pa.RecordBatch) -> None:
        """Remember rows with values that hold a backslash and a mark, to be looked at as they are written."""
        for column in batch.columns:
            if len(self.escaped) >= MOST_ESCAPED or not _holds_byte(column, BACKSLASH):
                continue
            odd = pc.and_(pc.match_substring(column, BACKSLASH), pc.match_substring(column, QUOTE))
            self.escaped.update(self.rows + row for row in pc.indices_nonzero(odd)[:MOST_ESCAPED].to_pylist())

    def _is_trusted(self, column: int) -> bool:
        """Whether what is quoted in the column is one value, whatever it looks like."""
        if column not in self.trusted:
            written = islice(records(self.source, self.notation), MOST_COMPARED)
            always = all(is_quoted(record, self.notation, column) for record in islice(written, 1, None))
            self.trusted[column] = always or self.notation.quotes_are_certain
        return self.trusted[column]

    def _look_for_quoted(self, batch: pa.RecordBatch) -> None:
        for column in batch.columns:
            if not self.all_quoted or not _holds_byte(column, QUOTE):
                continue
            marked = column.filter(pc.match_substring(column, QUOTE))
            self.all_quoted &= _are_quoted(marked)
            self.quoted += len(marked)

    def finish(self) -> Iterator[tuple[WarningCode, str]]:
        """Yield what looks odd and is believed. Raises DatasetUnreadable."""
        if self.quoted and self.all_quoted and not self.notation.quoting_is_certain:
            fact = f"All {self.quoted:,} values with quotation marks in {self.source.name} are quoted as in CSV"
            yield WarningCode.QUOTATION_MARKS_KEPT, fact
        written = [record for record in self._written(self.escaped) if text_follows_quotes(record, self.notation)]
        if written:
            fact = f"A value in line {written[0].line} of {self.source.name} goes on behind its closing quotation mark"
            yield WarningCode.QUOTATION_MARKS_ESCAPED, f"{fact}, with a backslash before it"
        odd = [odd for row, record in self._doubtful() if (odd := self._odd(record, self.doubtful[row]))]
        yield from ((WarningCode.ROWS_MAY_BE_SWALLOWED, fact) for fact in odd[:1])

    def _odd(self, record: Record, found: Swallowed) -> str | None:
        if text_follows_quotes(record, self.notation):
            raise self._error(record, found)
        separators = sum(line.count(self.notation.delimiter) for line in found.lines)
        is_odd = separators >= MANY_SEPARATORS and not self._is_trusted(found.column)
        return self._fact(record, found) if is_odd else None

    def _doubtful(self) -> Iterator[tuple[int, Record]]:
        return zip(sorted(self.doubtful), self._written(self.doubtful), strict=False)

    def _written(self, rows: Mapping[int, Swallowed] | set[int]) -> Iterator[Record]:
        """The records of these rows, in order."""
        if rows:
            last = max(rows)
            for row, record in enumerate(records(self.source, self.notation), start=-int(self.notation.header)):
                if row in rows:
                    yield record
                if row >= last:
                    return

    def _error(self, record: Record | None, found: Swallowed) -> DatasetUnreadable:
        remedy = "set dataset.quoting to false if quotation marks are letters like others"
        otherwise = ", or to true if that is one value" if self.notation.delimiter == COMMA else ""
        return DatasetUnreadable(f"{self._fact(record, found)}; {remedy}{otherwise}", field="dataset.quoting")

    def _fact(self, record: Record | None, found: Swallowed) -> str:
        """What looks wrong; without the lines if the budget did not suffice to find them."""
        span = f"line {record.line} of {self.source.name} is closed in line {record.last_line}" if record else None
        place = span or f"{self.source.name} is closed in a later line"
        return f"A quotation mark in {place}, so that one value holds what looks like {len(found.lines)} rows"


def _swallowed(batch: pa.RecordBatch, delimiter: str) -> Iterator[Swallowed]:
    """The values that, read without quotation marks, would be rows with as many values as all others."""
    separators = batch.num_columns - 1
    for index, column in enumerate(batch.columns):
        if not _holds_byte(column, "\n"):
            continue
        breaks = pc.count_substring(column, "\n")
        fitting = pc.equal(pc.count_substring(column, delimiter), pc.multiply(breaks, separators))
        broken = pc.indices_nonzero(pc.and_(pc.greater(breaks, 0), fitting))
        for row, value in zip(broken.to_pylist(), column.take(broken).to_pylist(), strict=True):
            lines = tuple(value.split("\n"))
            if _are_rows(lines, delimiter, separators, column=index):
                yield Swallowed(row, index, lines)


def _holds_byte(column: pa.Array, letter: str) -> bool:
    """Whether any value holds the letter, one of ASCII: ten times as fast as Arrow looks into each value."""
    _, offsets, content = column.buffers()
    if content is None:
        return False
    start, end = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]]
    return bool((np.frombuffer(content, np.uint8)[start:end] == ord(letter)).any())


def _are_rows(lines: Sequence[str], delimiter: str, separators: int, *, column: int) -> bool:
    """Whether the first line ends a row that began before the value, the last begins one, and others are rows."""
    first, *inner, last = (line.count(delimiter) for line in lines)
    return first == separators - column and last == column and all(count == separators for count in inner)


def _fits(found: Swallowed, batch: pa.RecordBatch, delimiter: str) -> bool:
    """Whether the swallowed values are ones that their columns have: as far as columns tell, all of them."""
    if len(batch) < FEWEST_ROWS:
        return False
    columns = found.values(delimiter, batch.num_columns).items()
    evidence = [_evidence(values, batch.column(index)) for index, values in columns]
    return min(evidence, default=0) >= 0 and sum(evidence) >= ENOUGH


def _evidence(values: Sequence[str], column: pa.Array) -> int:
    """How much speaks for these being values of the column: less than nothing if they are not, nothing for texts."""
    different = pc.unique(column)
    if len(different) * ROWS_PER_CATEGORY <= len(column):
        return ENOUGH if pc.all(pc.is_in(pa.array(values), value_set=different)).as_py() else -1
    if is_numeric(widened(pa.null(), column)):
        numbers = pa.array([value if value == value.strip() or is_padded(column) else "a text" for value in values])
        return len(values) if is_numeric(widened(pa.null(), numbers)) else -1
    return 0


def _are_quoted(values: pa.Array) -> bool:
    """Whether each stands between quotation marks, and holds only doubled ones."""
    inner = pc.utf8_slice_codeunits(values, 1, -1)
    outer = pc.and_(pc.starts_with(values, QUOTE), pc.ends_with(values, QUOTE))
    single = pc.match_substring(pc.replace_substring(inner, QUOTE * 2, ""), QUOTE)
    quoted = pc.and_(pc.greater(pc.utf8_length(values), 1), pc.and_(outer, pc.invert(single)))
    return bool(pc.all(quoted, min_count=0).as_py())
