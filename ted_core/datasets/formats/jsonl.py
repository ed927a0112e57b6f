"""JSON Lines: one object per line, whose keys are the columns. A column that an object lacks is null.

Lines are parsed by pydantic's JSON parser. Arrow's own is faster, yet it makes invalid arrays of lists with nulls, and
a leading ``null`` ends the process (https://github.com/apache/arrow/issues/47409).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic_core import from_json

from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text_scan import Scan, cached_per_source, suffixes, text_of, type_differs_error
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, MixedTypes

BLOCK_BYTES = 4 << 20
LONGEST_LINE = 256 << 20
MOST_NESTED = 1000
"""How many different keys the columns of a file may hold; objects keyed by ids would make a field of every id."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
INCONSISTENT = (pa.ArrowException, OverflowError, TypeError, ValueError)
"""What Arrow raises for values that no single type can hold."""


class JsonLine(NamedTuple):
    """An object, and the number of its line, counted from 1 as in editors."""

    number: int
    record: dict[str, Any]


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the columns that any line has, with types that hold all their values, and the rows of each file.

    This reads and parses every file once, about a million short texts in three seconds, and is remembered until the
    file changes. Raises DatasetUnreadable and MixedTypes, which name the line, and SchemasDiffer.
    """
    scans = [_scan(source) for source in sources]
    for source, scan in zip(sources, scans, strict=True):
        _refuse_other_types(source, scans[0].schema, scan.schema)
    return scans[0].schema, tuple(scan.rows for scan in scans)


def _refuse_other_types(source: Source, first: pa.Schema, schema: pa.Schema) -> None:
    """Raise SchemasDiffer unless the first file's types hold the file's values; it may lack columns."""
    for column in schema:
        expected = first.field(column.name).type if column.name in first.names else None
        if expected is None or not _holds(expected, column.type):
            raise type_differs_error(source, column, expected=expected)


def _holds(wide: pa.DataType, narrow: pa.DataType) -> bool:
    try:
        return bool(_merged(pa.schema({"": wide}), pa.schema({"": narrow})).field(0).type == wide)
    except pa.ArrowException:
        return False


@cached_per_source
def _scan(source: Source) -> Scan:
    schema = pa.schema([])
    rows = 0
    keys: set[tuple[str, ...]] = set()
    for lines in _blocks(source):
        _refuse_keys_as_data(lines, source, seen=keys)
        schema = _extended(schema, lines, source)
        rows += len(lines)
    return Scan(schema, rows)


def _extended(schema: pa.Schema, lines: Sequence[JsonLine], source: Source) -> pa.Schema:
    try:
        return _merged(schema, _schema([line.record for line in lines]))
    except INCONSISTENT as error:
        if len(lines) > 1:  # one by one, to find out which
            for line in lines:
                schema = _extended(schema, [line], source)
            return schema
        fact = f"Line {lines[0].number} of {source.name} does not fit those before ({error})"
        raise MixedTypes(fact, field="dataset.uri") from error


def _refuse_keys_as_data(lines: Sequence[JsonLine], source: Source, *, seen: set[tuple[str, ...]]) -> None:
    """Raise DatasetUnreadable for objects keyed by ids: each key, like those seen, would be a field in every row."""
    for line in lines:
        for name, value in line.record.items():
            _note_keys(value, (name,), seen)
        if len(seen) > MOST_NESTED:
            keys = f"{len(seen):,} different keys; write such objects as strings, or leave them out"
            fact = f"By line {line.number} of {source.name} the objects in its columns have {keys}"
            raise DatasetUnreadable(fact, field="dataset.uri")


def _note_keys(value: Any, path: tuple[str, ...], seen: set[tuple[str, ...]]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            seen.add((*path, name))
            _note_keys(inner, (*path, name), seen)
    elif isinstance(value, list):
        for inner in value:
            _note_keys(inner, path, seen)


def _schema(records: Sequence[dict[str, Any]]) -> pa.Schema:
    return pa.schema(list(pa.array(records).type))


def _merged(left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """The columns of either; integers beside fractions become fractions, null fits everything."""
    return pa.unify_schemas([left, right], promote_options="permissive")


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, a few megabytes of lines at a time, in the first file's types."""
    schema = _scan(sources[0]).schema
    columns = pa.struct([schema.field(name) for name in names])
    for source in sources:
        for lines in _blocks(source):
            yield pa.RecordBatch.from_struct_array(_typed(lines, columns, source))


def _typed(lines: Sequence[JsonLine], columns: pa.StructType, source: Source) -> pa.StructArray:
    """The lines' values in the columns' types.

    Raises MixedTypes, which names the line, for a whole number beyond 2^53 if others have fractions.
    """
    try:
        return pa.array([line.record for line in lines], columns)
    except INCONSISTENT as error:
        if len(lines) > 1:  # one by one, to find out which
            for line in lines:
                _typed([line], columns, source)
        fact = f"Line {lines[0].number} of {source.name} does not fit the other lines ({error})"
        raise MixedTypes(fact, field="dataset.uri") from error


# --- lines ------------------------------------------------------------------------------------------------------------


def _blocks(source: Source) -> Iterator[list[JsonLine]]:
    """Some lines at a time, without empty ones."""
    number = 1
    for block in _whole_lines(source):
        lines = list(enumerate(block.split(b"\n"), start=number))
        records = [JsonLine(number, _record(line, number, source)) for number, line in lines if line.strip()]
        if records:
            yield records
        number += len(lines)


def _record(line: bytes, number: int, source: Source) -> dict[str, Any]:
    try:
        record = from_json(line)
    except ValueError as error:
        fact = f"Line {number} of {source.name} is not JSON ({str(error).replace('line 1 ', '')})"
        raise DatasetUnreadable(fact, field="dataset.uri") from error
    if not isinstance(record, dict):
        fact = f"Line {number} of {source.name} is a {type(record).__name__}; write one object per line"
        raise DatasetUnreadable(fact, field="dataset.uri")
    return record


def _whole_lines(source: Source) -> Iterator[bytes]:
    """The file in blocks that end before a line break. Raises DatasetUnreadable for a line that does not end."""
    rest = b""
    with translate_read_errors(source), text_of(source) as file:
        start = file.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
        while data := start + file.read(BLOCK_BYTES):
            start = b""
            head, line_break, tail = data.rpartition(b"\n")
            if line_break:
                yield rest + head
                rest = tail
            else:
                rest += tail
            if len(rest) > LONGEST_LINE:
                fact = f"A line of {source.name} is longer than {LONGEST_LINE:,} bytes"
                raise DatasetUnreadable(fact, field="dataset.uri")
    if rest:
        yield rest


JSONL = format_of(RowReader(files_with(*suffixes(".jsonl", ".ndjson")), schema_summary, batches))
