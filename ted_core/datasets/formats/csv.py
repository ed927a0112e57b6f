"""CSV and TSV: a header, then rows; quoted values may hold separators and line breaks.

A column holds whole numbers, numbers, true and false, or else strings: the first of these that fits all its values. In
columns of numbers and truth values some spellings mean that a value is missing, in strings only an empty value does.
Columns of ids are always strings, so that 007 stays what it is.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text_scan import Scan, cached_per_source, suffixes, text_of, type_differs_error
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SchemasDiffer

BLOCK_BYTES = 16 << 20
"""Also the longest row."""
TYPES = (pa.int64(), pa.float64(), pa.bool_(), pa.string())
"""From the narrowest to the one that holds everything."""
MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "?"])


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the header's columns, with types that hold all their values, and the rows of each file.

    This reads and parses every file once, which takes as long as loading, and is remembered until the file changes.
    Raises DatasetUnreadable, which names the row, and SchemasDiffer.
    """
    scans = [_scan(source) for source in sources]
    for source, scan in zip(sources, scans, strict=True):
        _refuse_other_header(source, scans[0].schema, scan.schema)
        _refuse_wider_types(source, scans[0].schema, scan.schema)
    return scans[0].schema, tuple(scan.rows for scan in scans)


def _refuse_other_header(source: Source, expected: pa.Schema, schema: pa.Schema) -> None:
    if schema.names != expected.names:
        difference = ", ".join(sorted({*schema.names} ^ {*expected.names})) or "the order of its columns"
        raise SchemasDiffer(f"{source.name} differs from the first file in {difference}", field="dataset.uri")


def _refuse_wider_types(source: Source, expected: pa.Schema, schema: pa.Schema) -> None:
    for column, first in zip(schema, expected, strict=True):
        if _common(first.type, column.type) != first.type:
            raise type_differs_error(source, column, expected=first.type)


@cached_per_source
def _scan(source: Source) -> Scan:
    names = _header(source)
    types = [pa.null()] * len(names)
    rows = 0
    for batch in _strings(source, names):
        types = [_widened(data_type, column) for data_type, column in zip(types, batch.columns, strict=True)]
        rows += batch.num_rows
    columns = zip(names, types, strict=True)
    schema = pa.schema([(name, pa.string() if name in KEY_NAMES else data_type) for name, data_type in columns])
    return Scan(schema, rows)


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, some megabytes of rows at a time, in the first file's types."""
    schema = pa.schema([_scan(sources[0]).schema.field(name) for name in names])
    for source in sources:
        for batch in _strings(source, names, columns=names):
            with translate_read_errors(source):
                columns = list(map(_typed, batch.columns, schema.types))
            yield pa.record_batch(columns, schema=schema)


# --- types ------------------------------------------------------------------------------------------------------------


def _widened(data_type: pa.DataType, column: pa.Array) -> pa.DataType:
    """The type that holds the column's values so far, and these too."""
    if data_type == pa.string() or not len(values := _numeric(column).drop_null()):
        return data_type
    narrowest = next(candidate for candidate in (data_type, *TYPES) if _holds(candidate, values))
    return _common(data_type, narrowest)


def _holds(data_type: pa.DataType, values: pa.Array) -> bool:
    try:
        values[:1].cast(data_type)  # a value that fails costs twenty times as much as one that does not
        values.cast(data_type)
    except pa.ArrowException:
        return False
    return data_type != pa.int64() or not _hexadecimal(values)


def _hexadecimal(values: pa.Array) -> bool:
    """Whether a value is spelled 0x…, which Arrow takes for a number and which is more often an id."""
    return any(pc.any(pc.match_substring(values, mark)).as_py() for mark in "xX")


def _common(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """The narrowest type that holds the values of both."""
    types = {left, right} - {pa.null()}
    if len(types) <= 1:
        return next(iter(types), pa.null())
    return pa.float64() if types == {pa.int64(), pa.float64()} else pa.string()


def _typed(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    if data_type == pa.string():
        return pc.if_else(pc.equal(column, ""), None, column)
    return pa.nulls(len(column)) if data_type == pa.null() else _numeric(column).cast(data_type)


def _numeric(column: pa.Array) -> pa.Array:
    """The values without the blanks around them; null if they are spelled as missing."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(trimmed, value_set=MISSING), None, trimmed)


# --- rows as strings --------------------------------------------------------------------------------------------------


def _header(source: Source) -> list[str]:
    with translate_read_errors(source, otherwise="has no header", field="dataset.format"):
        names: list[str] = _opened(source, pa.BufferReader(_first_row(source)), csv.ConvertOptions()).schema.names
        return names


def _first_row(source: Source) -> bytes:
    """The first line that is not empty, and those that belong to it because a quotation mark is open."""
    row = b""
    is_open = False
    with io.BufferedReader(text_of(source)) as file:
        while len(row) < BLOCK_BYTES and (line := file.readline(BLOCK_BYTES)):
            row += line
            is_open ^= line.count(b'"') % 2 == 1
            if line.strip() and not is_open:
                break
    return row


def _strings(source: Source, names: Sequence[str], *, columns: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """These columns, or all that are named in the header, as they are spelled."""
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=list(columns))
    with _parsing(source), _opened(source, text_of(source), options) as rows:
        yield from rows


def _opened(source: Source, text: pa.NativeFile, options: csv.ConvertOptions) -> csv.CSVStreamingReader:
    """A reader that says where it fails, as one that parses in parallel could not."""
    uncompressed = source.name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".zst")
    return csv.open_csv(
        text,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(
            delimiter="\t" if uncompressed.endswith(".tsv") else ",", newlines_in_values=True
        ),
        convert_options=options,
    )


@contextmanager
def _parsing(source: Source) -> Iterator[None]:
    """Like ``translate_read_errors``; and what Arrow calls a straddling object is a row that does not end."""
    try:
        with translate_read_errors(source):
            yield
    except DatasetUnreadable as error:
        if "straddling" not in error.fact:
            raise
        fact = f"A row of {source.name} is longer than {BLOCK_BYTES:,} bytes; is a quotation mark left open?"
        raise DatasetUnreadable(fact, field="dataset.uri") from error


CSV = format_of(RowReader(files_with(*suffixes(".csv", ".tsv")), schema_summary, batches))
