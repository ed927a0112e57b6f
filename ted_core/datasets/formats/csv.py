"""CSV and TSV: a header, then rows; quoted values may hold separators and line breaks.

A column is of whole numbers, of numbers, of true and false, or else of strings: the first of these that all its values
are. In columns of numbers and truth values some spellings mean that a value is missing, in strings only an empty value
does. Columns of ids are always strings, so that 007 stays what it is.
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
"""From the narrowest to what holds everything."""
MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "?"])


def schema_summary(sources: Sequence[Source], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """The header's columns, with types that hold all their values, and the rows of each file.

    This reads and parses every file once, as long as loading takes, and remembers the result until the file changes.
    Raises DatasetUnreadable, which names the row, and SchemasDiffer.
    """
    scans = [_scan(source) for source in sources]
    for source, scan in zip(sources, scans, strict=True):
        _refuse_other_header(source, scans[0].schema, scan.schema)
        _refuse_wider_types(source, scans[0].schema, scan.schema)
    return scans[0].schema, tuple(scan.rows for scan in scans)


def _refuse_other_header(source: Source, expected: pa.Schema, found: pa.Schema) -> None:
    if found.names != expected.names:
        what = ", ".join(sorted({*found.names} ^ {*expected.names})) or "the order of its columns"
        raise SchemasDiffer(f"{source.name} differs from the first file in {what}", field="dataset.uri")


def _refuse_wider_types(source: Source, expected: pa.Schema, found: pa.Schema) -> None:
    for column, known in zip(found, expected, strict=True):
        if _either(known.type, column.type) != known.type:
            raise type_differs_error(source, column, known=known.type)


@cached_per_source
def _scan(source: Source) -> Scan:
    names = _header(source)
    types, rows = [pa.null()] * len(names), 0
    for batch in _strings(source, names):
        types = [_wider(kind, column) for kind, column in zip(types, batch.columns, strict=True)]
        rows += batch.num_rows
    kinds = [pa.string() if name in KEY_NAMES else kind for name, kind in zip(names, types, strict=True)]
    return Scan(pa.schema(list(zip(names, kinds, strict=True))), rows)


def batches(sources: Sequence[Source], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named columns, some megabytes of rows at a time, in the first file's types."""
    schema = pa.schema([_scan(sources[0]).schema.field(name) for name in names])
    for source in sources:
        for batch in _strings(source, names, chosen=names):
            with translate_read_errors(source):
                columns = [_typed(column, kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
            yield pa.record_batch(columns, schema=schema)


# --- types ------------------------------------------------------------------------------------------------------------


def _wider(known: pa.DataType, column: pa.Array) -> pa.DataType:
    """The type that holds what the column has shown so far and these values too."""
    if known == pa.string() or not len(present := _numeric(column).drop_null()):
        return known
    narrowest = next(kind for kind in (known, *TYPES) if _holds(kind, present))
    return _either(known, narrowest)


def _holds(kind: pa.DataType, values: pa.Array) -> bool:
    try:
        values[:1].cast(kind)  # a value that fails costs twenty times as much as one that does not
        values.cast(kind)
    except pa.ArrowException:
        return False
    return kind != pa.int64() or not _hexadecimal(values)


def _hexadecimal(values: pa.Array) -> bool:
    """Whether a value is spelled 0x…, which Arrow takes for a number and which is more often an id."""
    return any(pc.any(pc.match_substring(values, mark)).as_py() for mark in "xX")


def _either(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.null() in (one, other):
        return other if one == pa.null() else one
    if one == other:
        return one
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pc.if_else(pc.equal(column, ""), None, column)
    return pa.nulls(len(column)) if kind == pa.null() else _numeric(column).cast(kind)


def _numeric(column: pa.Array) -> pa.Array:
    """The values, null where they are spelled as missing, without the blanks around them."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(trimmed, value_set=MISSING), None, trimmed)


# --- rows as strings --------------------------------------------------------------------------------------------------


def _header(source: Source) -> list[str]:
    with translate_read_errors(source, otherwise="has no header", field="dataset.format"):
        names: list[str] = _opened(source, pa.BufferReader(_first_row(source)), csv.ConvertOptions()).schema.names
        return names


def _first_row(source: Source) -> bytes:
    """The first line that is not empty, and those that belong to it because a quotation mark is open."""
    row, is_open = b"", False
    with io.BufferedReader(text_of(source)) as file:
        while len(row) < BLOCK_BYTES and (line := file.readline(BLOCK_BYTES)):
            row += line
            is_open ^= line.count(b'"') % 2 == 1
            if line.strip() and not is_open:
                break
    return row


def _strings(source: Source, names: Sequence[str], *, chosen: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """The chosen columns, or all, as they are spelled."""
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=list(chosen))
    with _parsing(source), _opened(source, text_of(source), options) as rows:
        yield from rows


def _opened(source: Source, text: pa.NativeFile, options: csv.ConvertOptions) -> csv.CSVStreamingReader:
    """A reader that tells where it fails, as one that parses in parallel could not."""
    plain = source.name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".zst")
    return csv.open_csv(
        text,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(delimiter="\t" if plain.endswith(".tsv") else ",", newlines_in_values=True),
        convert_options=options,
    )


@contextmanager
def _parsing(source: Source) -> Iterator[None]:
    """As ``translate_read_errors``, and what Arrow calls a straddling object is a row that does not end."""
    try:
        with translate_read_errors(source):
            yield
    except DatasetUnreadable as error:
        if "straddling" not in error.fact:
            raise
        fact = f"A row of {source.name} is longer than {BLOCK_BYTES:,} bytes; is a quotation mark left open?"
        raise DatasetUnreadable(fact, field="dataset.uri") from error


CSV = format_of(RowReader(files_with(*suffixes(".csv", ".tsv")), schema_summary, batches))
