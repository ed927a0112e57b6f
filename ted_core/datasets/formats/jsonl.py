"""JSON Lines: one object per line, parsed by pydantic's JSON parser."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from ted_core.datasets.budget import current_budget
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text.json_objects import JsonObject, ObjectReader
from ted_core.datasets.formats.text.json_text import one_object_error
from ted_core.datasets.formats.text_scan import BYTE_ORDER_MARK, suffixes, text_of
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.errors import DatasetUnreadable

BLOCK_BYTES = 4 << 20
LONGEST_LINE = 256 << 20
MOST_LINES = 1 << 12
"""Lines that are parsed at a time."""


def _blocks(source: Source) -> Iterator[list[JsonObject]]:
    """Some lines at a time, without empty ones, as far as the inspection's budget goes; the first ones always."""
    number, budget = 1, current_budget()
    for lines in _split(_whole_lines(source)):
        numbered = enumerate(lines, start=number)
        records = [JsonObject(number, _record(line, number, source)) for number, line in numbered if line.strip()]
        if records:
            yield records
        number += len(lines)
        if budget.is_spent():
            return


def _split(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    for block in blocks:
        lines = block.split(b"\n")
        for start in range(0, len(lines), MOST_LINES):
            yield lines[start : start + MOST_LINES]


def _record(line: bytes, number: int, source: Source) -> dict[str, Any]:
    if number == 1 and line.lstrip().startswith(b"["):
        fact = f"Line 1 of {source.name} begins an array; dataset.format json reads an array of objects"
        raise DatasetUnreadable(fact, field="dataset.format")
    try:
        record = from_json(line)
    except ValueError as error:
        fact = f"Line {number} of {source.name} is not JSON ({str(error).replace('line 1 ', '')})"
        document = one_object_error(source) if number == 1 and line.lstrip().startswith(b"{") else None
        raise document or DatasetUnreadable(fact, field="dataset.uri") from error
    if not isinstance(record, dict):
        fact = f"Line {number} of {source.name} is a {type(record).__name__}; write one object per line"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return record


def _whole_lines(source: Source) -> Iterator[bytes]:
    """The file in blocks that end before a line break, as far as the inspection's budget goes.

    Raises DatasetUnreadable for a line that does not end.
    """
    rest, budget = bytearray(), current_budget()
    with translate_read_errors(source), text_of(source) as file:
        start = file.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
        while data := start + file.read(BLOCK_BYTES):
            start = b""
            head, line_break, tail = data.rpartition(b"\n")
            if line_break:
                yield bytes(rest + head)
                rest = bytearray(tail)
            else:
                rest += tail
            if len(rest) > LONGEST_LINE:
                fact = f"A line of {source.name} is longer than {LONGEST_LINE:,} bytes"
                raise DatasetUnreadable(fact, field="dataset.uri")
            if budget.is_spent(text_bytes=len(data)):
                return
    if rest:
        yield bytes(rest)


LINES = ObjectReader("Line", _blocks)
JSONL = format_of(
    RowReader(files_with(*suffixes(".jsonl", ".ndjson")), LINES.schema_summary, LINES.batches, late_columns=True)
)
