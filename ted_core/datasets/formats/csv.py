"""CSV and TSV: rows of delimited values, whose first one names the columns unless the request says otherwise.

A column holds whole numbers, numbers, true and false, or else strings: the first of these that fits all its values. In
columns of numbers and truth values some spellings mean that a value is missing, in strings only an empty value does.
Columns of ids are always strings, so that 007 stays what it is.

Blanks around a name, a class or a category are none of it: ``39, Private`` and ``39,Private`` are the same row. A text
keeps its blanks, unless a blank precedes every value of its column, as where a comma and a blank separate the values.
"""

import csv as python_csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial, reduce
from itertools import islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ted_core.datasets.budget import current_budget
from ted_core.datasets.columns.roles import DEFAULT_TARGET, roles
from ted_core.datasets.columns.schemas import abbreviated_list
from ted_core.datasets.columns.types import KEY_NAMES
from ted_core.datasets.findings import warn
from ted_core.datasets.formats.row_format import RowReader, format_of
from ted_core.datasets.formats.text.content import AS_UTF8, refuse_binary
from ted_core.datasets.formats.text.header import looks_like_data, looks_like_names, numbered
from ted_core.datasets.formats.text.notation import Choices, Notation
from ted_core.datasets.formats.text.quotes import QuoteCheck
from ted_core.datasets.formats.text.records import Record, is_utf8, records, width
from ted_core.datasets.formats.text.unified import Misfit, UnifiedTypes
from ted_core.datasets.formats.text.values import BLANK, common_type, is_numeric, is_padded, typed, widened
from ted_core.datasets.formats.text_scan import (
    MOST_COLUMNS,
    cached_per_source,
    many_columns_error,
    scan_each,
    suffixes,
    text_of,
)
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetUnreadable, SchemasDiffer, TedError, UnknownColumn
from ted_core.warnings import WarningCode

SMALLEST_BLOCK, BLOCK_BYTES = 1 << 10, 16 << 20
"""Also the longest row."""
MOST_ROWS = 1 << 16
"""Rows whose types are looked at together."""
TEXT_TASKS = ("text-classification", "causal-lm")
"""Tasks whose inputs keep the blanks around them."""
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
ARFF_MARKS = (b"@relation", b"@attribute")
UNQUOTED = "if quotation marks are letters like others here, set dataset.quoting to false"
LONGEST_SHOWN, MOST_SHOWN = 30, 8
HEADER, QUOTING = "dataset.header", "dataset.quoting"


class FileLayout(NamedTuple):
    """How a file is written, and what its columns are called."""

    notation: Notation
    first: tuple[str, ...]
    """The first row, as it is spelled."""

    @property
    def spelled(self) -> Sequence[str]:
        """What Arrow calls the columns."""
        return self.first if self.notation.header else numbered(len(self.first))

    @property
    def names(self) -> Sequence[str]:
        """What the columns are called; nothing but blanks differs."""
        return [name.strip() for name in self.spelled]


class FileScan(NamedTuple):
    """What one pass over a file finds, as far as the inspection's budget goes."""

    name: str
    layout: FileLayout
    types: tuple[pa.DataType, ...] = ()
    rows: int = 0
    padded: frozenset[int] = frozenset()
    """The columns in which a blank precedes every value."""
    like_data: bool = False
    """Whether the line of names could be a row."""
    like_names: bool = False
    """Whether the first row could be names."""
    facts: tuple[tuple[WarningCode, str], ...] = ()
    """About quotation marks."""
    misfits: Mapping[str, Misfit] = {}
    """Columns that are no text, and why."""


class Rows(NamedTuple):
    """What all files together hold."""

    types: UnifiedTypes
    files: tuple[FileScan, ...]


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the columns, with types that hold all their values, and the rows of each file.

    This reads and parses every file once, which takes as long as loading, and is remembered until the file changes.
    Raises DatasetUnreadable, which names the line, and SchemasDiffer.
    """
    types, files = _rows(tuple(sources), Choices.of(spec))
    for code, fact in (fact for file in files for fact in file.facts):
        warn(code, fact, field=QUOTING)
    _check_header(types.schema, next((file for file in files if file.rows), None), spec)
    types.check(spec)
    return types.schema, types.rows


@cached_per_source
def _rows(sources: tuple[Source, ...], choices: Choices) -> Rows:
    files = tuple(scan_each(lambda source: _scan(source, choices), sources))
    written = [file for file in files if file.layout.first]
    rows = tuple(file.rows for file in files)
    if not written:
        if choices.header is not False and current_budget().counted:
            raise DatasetUnreadable(f"{sources[0].name} has no header", field="dataset.format")
        return Rows(UnifiedTypes(pa.schema([]), rows, {}, {}), files)
    for file in written:
        _refuse_other_header(file, written[0])
    names = written[0].layout.names
    types = [reduce(common_type, column) for column in zip(*(file.types for file in written), strict=True)]
    schema = pa.schema([(name, _type_of(name, data_type)) for name, data_type in zip(names, types, strict=True)])
    misfits = {name: misfit for file in reversed(written) for name, misfit in file.misfits.items()}
    return Rows(UnifiedTypes(schema, rows, misfits, _doubts(written, names)), files)


def _type_of(name: str, data_type: pa.DataType) -> pa.DataType:
    return pa.string() if name in KEY_NAMES else data_type


def _refuse_other_header(file: FileScan, expected: FileScan) -> None:
    names, others = list(file.layout.names), list(expected.layout.names)
    if names != others:
        difference = ", ".join(sorted({*names} ^ {*others})) or "the order of its columns"
        fact = f"{file.name} differs from {expected.name} in {difference}"
        raise SchemasDiffer(f"{fact}{_header_hint(file) or _header_hint(expected)}", field="dataset.uri")


def _doubts(files: Sequence[FileScan], names: Sequence[str]) -> dict[str, str]:
    """The columns that are numbers in one file and words in another, and are read as words."""
    doubts = {}
    for index, name in enumerate(names):
        types = {file.types[index]: file.name for file in reversed(files)}
        numbers = [f"{data_type} in {file}" for data_type, file in types.items() if is_numeric(data_type)]
        if numbers and pa.string() in types and name not in KEY_NAMES:
            doubts[name] = f"Column {name!r} is {numbers[-1]}, but holds words in {types[pa.string()]}"
    return doubts


# --- the first line ---------------------------------------------------------------------------------------------------


def _check_header(schema: pa.Schema, file: FileScan | None, spec: DatasetSpec) -> None:
    """Raise UnknownColumn with what the first line may be instead of names, or warn of it."""
    if file is None:
        return
    hint = _header_hint(file) or _delimiter_hint(file.layout) or _quoting_hint(file.layout)
    try:
        roles(schema, spec)
    except UnknownColumn as error:
        if hint:
            raise UnknownColumn(f"{error.fact}{hint}", field=error.field) from error
    except TedError:  # whoever asks next is told
        return
    shown = _abbreviated(file.layout.first)
    if file.like_data:
        warn(WarningCode.HEADER_LOOKS_LIKE_DATA, f"The first line of {file.name} is {shown}", field=HEADER)
    if file.like_names:
        warn(WarningCode.FIRST_ROW_LOOKS_LIKE_NAMES, f"The first row of {file.name} is {shown}", field=HEADER)


def _header_hint(file: FileScan) -> str:
    return "; the first line looks like data: set dataset.header to false" if file.like_data else ""


def _delimiter_hint(layout: FileLayout) -> str:
    """What to do if a single column seems to be several."""
    first, used = layout.first[0], layout.notation.delimiter
    found = [name for mark, name in OTHER_DELIMITERS.items() if mark in first and mark != used]
    if len(layout.first) > 1 or not found:
        return ""
    remedy = {"tabs": "dataset.format tsv reads them", "commas": "dataset.format csv reads them"}
    return f"; its values are separated by {found[0]}: {remedy.get(found[0], 'write commas or tabs instead')}"


def _quoting_hint(layout: FileLayout) -> str:
    quoted = all(name.startswith('"') and name.endswith('"') for name in layout.first)
    return "; its names are quoted: set dataset.quoting to true" if quoted else ""


def _abbreviated(first: Sequence[str]) -> str:
    return abbreviated_list(repr(value[:LONGEST_SHOWN]) for value in first[:MOST_SHOWN])


# --- one pass over a file ---------------------------------------------------------------------------------------------


@cached_per_source
def _scan(source: Source, choices: Choices) -> FileScan:
    notation = Notation.of(source.name, choices)
    refuse_binary(source)
    layout = FileLayout(notation, _first_row(source, notation))
    if not layout.first:
        return FileScan(source.name, layout)
    scan = ColumnScan(source, layout)
    for batch in _within_budget(_strings(source, layout)):
        scan.add(batch)
    return scan.result()


class ColumnScan:
    """What is known of a file's columns so far."""

    def __init__(self, source: Source, layout: FileLayout) -> None:
        self.source, self.layout, self.names = source, layout, layout.names
        self.types = [pa.null()] * len(layout.first)
        self.padded = set(range(len(layout.first)))
        self.rows = 0
        self.like_data = self.like_names = False
        self.misfits: dict[str, Misfit] = {}
        self.quotes = QuoteCheck(source, layout.notation)

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows. Raises DatasetUnreadable for rows that a quotation mark has swallowed."""
        batch = pa.record_batch(list(map(self._utf8, range(batch.num_columns), batch.columns)), schema=batch.schema)
        self.quotes.add(batch)
        if not self.rows:
            self._look_at_first_line(batch)
        self.types = [widened(data_type, column) for data_type, column in zip(self.types, batch.columns, strict=True)]
        self.padded = {index for index in self.padded if is_padded(batch.column(index))}
        self.rows += batch.num_rows

    def _utf8(self, index: int, column: pa.Array) -> pa.Array:
        """The column's values; nulls if some of it is not UTF-8, which is remembered."""
        name = self.names[index]
        if name not in self.misfits:
            try:
                column.validate(full=True)
            except pa.ArrowInvalid:
                fact = f"{self._place_of_other_bytes(column)} is not UTF-8 in column {name!r}; {AS_UTF8}"
                self.misfits[name] = Misfit(DatasetUnreadable, fact)
            else:
                return column
        return pa.nulls(len(column), column.type)

    def _place_of_other_bytes(self, column: pa.Array) -> str:
        row = self.rows + next(row for row, value in enumerate(column.cast(pa.binary())) if not is_utf8(value.as_py()))
        written = records(self.source, self.layout.notation)
        record = next(islice(written, row + self.layout.notation.header, None), None)
        return f"Line {record.line} of {self.source.name}" if record else self.source.name

    def _look_at_first_line(self, batch: pa.RecordBatch) -> None:
        notation, first = self.layout.notation, self.layout.first
        if notation.header:
            self.like_data = not notation.header_is_certain and looks_like_data(first, batch)
        else:
            self.like_names = looks_like_names(first, batch.slice(1))

    def result(self) -> FileScan:
        """Return what was found. Raises DatasetUnreadable for rows that a quotation mark has swallowed."""
        types, padded = tuple(self.types), frozenset(self.padded)
        return FileScan(
            self.source.name,
            self.layout,
            types,
            self.rows,
            padded,
            like_data=self.like_data,
            like_names=self.like_names,
            facts=tuple(self.quotes.finish()),
            misfits=self.misfits,
        )


def _within_budget(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Some of their rows at a time, the first ones always, until the inspection's budget is spent."""
    budget = current_budget()
    for batch in batches:
        for start in range(0, batch.num_rows, MOST_ROWS):
            part = batch.slice(start, MOST_ROWS)
            yield part
            if budget.is_spent(text_bytes=part.nbytes):
                return


# --- rows -------------------------------------------------------------------------------------------------------------


def batches(sources: Sequence[Source], names: Sequence[str], spec: DatasetSpec) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, some megabytes of rows at a time, in types that hold the values of all files."""
    types, files = _rows(tuple(sources), Choices.of(spec))
    schema = pa.schema([types.schema.field(name) for name in names])
    texts = _texts(names, spec)
    for source, file in zip(sources, files, strict=False):
        if file.rows:
            yield from _typed_batches(source, file, schema, texts)


def _texts(names: Sequence[str], spec: DatasetSpec) -> set[str]:
    """The columns whose values keep their blanks: texts and ids."""
    target = spec.target or DEFAULT_TARGET
    targets = {target} if isinstance(target, str) else {*target}
    texts = {*names} if spec.base_task in TEXT_TASKS else {*KEY_NAMES}
    return texts - targets


def _typed_batches(
    source: Source, file: FileScan, schema: pa.Schema, texts: Collection[str]
) -> Iterator[pa.RecordBatch]:
    positions = {name: position for position, name in enumerate(file.layout.names)}
    columns = [positions[name] for name in schema.names]
    trims = [
        _trim(field, is_text=field.name in texts, padded=position in file.padded)
        for field, position in zip(schema, columns, strict=True)
    ]
    for batch in _strings(source, file.layout, columns=[file.layout.spelled[position] for position in columns]):
        with translate_read_errors(source):
            trimmed = [trim(column) for trim, column in zip(trims, batch.columns, strict=True)]
            values = list(map(typed, trimmed, schema.types))
        yield pa.record_batch(values, schema=schema)


def _trim(field: pa.Field, *, is_text: bool, padded: bool) -> Callable[[pa.Array], pa.Array]:
    """What takes the blanks away that do not belong to the column's values; numbers are read without them anyway."""
    if field.type != pa.string() or (is_text and not padded):
        return lambda column: column
    return partial(pc.utf8_ltrim, characters=BLANK) if is_text else pc.utf8_trim_whitespace


# --- rows as strings --------------------------------------------------------------------------------------------------


def _first_row(source: Source, notation: Notation) -> tuple[str, ...]:
    """The values of the first row, as they are spelled; none if the file is empty."""
    with translate_read_errors(source, otherwise="has no header", field="dataset.format"):
        first = next(records(source, notation), None)
        if first is None:
            return ()
        if _has_many_columns(first.content, notation.delimiter):
            raise many_columns_error(source)
        _refuse_arff(source, first)
        with _parsing(source, notation):
            block_bytes = SMALLEST_BLOCK + len(first.content)
            row = _opened(pa.BufferReader(first.content), notation, csv.ConvertOptions(), block_bytes=block_bytes)
            return tuple(row.schema.names)


def _refuse_arff(source: Source, first: Record) -> None:
    if first.content.lower().startswith(ARFF_MARKS):
        fact = f"{source.name} begins with a header of ARFF or KEEL; remove all up to @data, and set header to false"
        raise DatasetUnreadable(fact, field="dataset.format")


def _has_many_columns(row: bytes, delimiter: str) -> bool:
    """Whether the header has too many. It may be shorter than what was read for it: where quotation marks stand inside
    of values."""
    if row.count(delimiter.encode()) < MOST_COLUMNS:
        return False
    text = io.TextIOWrapper(io.BytesIO(row), "utf-8-sig", "replace", newline="")
    try:
        header = next(filter(None, python_csv.reader(text, delimiter=delimiter)), [])
    except python_csv.Error:  # a value of more than 128 KB
        return True
    return len(header) > MOST_COLUMNS


def _strings(source: Source, layout: FileLayout, *, columns: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """These columns, or all that the first row names, as they are spelled; if all, not all of them need be UTF-8."""
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(layout.spelled, pa.string()),
        include_columns=list(columns),
        check_utf8=bool(columns),
    )
    names = None if layout.notation.header else layout.spelled
    with _parsing(source, layout.notation), closing(text_of(source)) as text:
        yield from _opened(text, layout.notation, options, names=names, block_bytes=_block_bytes(source))


def _block_bytes(source: Source) -> int:
    """How much is parsed at once: all of a small file, since room for a whole block takes longer to have than to fill.

    In UTF-8 it may take up to twice as much as it was stored in.
    """
    return BLOCK_BYTES if source.compression() else min(BLOCK_BYTES, SMALLEST_BLOCK + 2 * source.size)


def _opened(
    text: pa.NativeFile,
    notation: Notation,
    options: csv.ConvertOptions,
    *,
    block_bytes: int,
    names: Sequence[str] | None = None,
) -> csv.CSVStreamingReader:
    """A reader that says where it fails, as one that parses in parallel could not."""
    return csv.open_csv(
        text,
        read_options=csv.ReadOptions(block_size=block_bytes, use_threads=False, column_names=names),
        parse_options=csv.ParseOptions(
            delimiter=notation.delimiter,
            quote_char='"' if notation.quoting else False,
            double_quote=notation.quoting,
            newlines_in_values=notation.quoting,
        ),
        convert_options=options,
    )


@contextmanager
def _parsing(source: Source, notation: Notation) -> Iterator[None]:
    """Like ``translate_read_errors``, but with the line at fault, where Arrow says the row at most."""
    try:
        with translate_read_errors(source):
            yield
    except DatasetUnreadable as error:
        if not isinstance(error.__cause__, pa.ArrowInvalid | UnicodeDecodeError):
            raise
        raise (_fault(source, notation) or error) from error.__cause__


def _fault(source: Source, notation: Notation) -> DatasetUnreadable | None:
    """What is wrong with the first row that cannot be read; None if that cannot be told."""
    expected = None
    for record in records(source, notation):
        expected = width(record, notation) if expected is None else expected
        if fact := _fact(source, notation, record, expected):
            return DatasetUnreadable(fact, field="dataset.uri")
    return None


def _fact(source: Source, notation: Notation, record: Record, expected: int) -> str | None:
    name, line = source.name, record.line
    if len(record.content) > BLOCK_BYTES:
        return f"The row in line {line} of {name} has more than {BLOCK_BYTES:,} bytes; is a quotation mark left open?"
    if not record.is_closed:
        return f"A quotation mark in line {line} of {name} is never closed; {UNQUOTED}"
    if not is_utf8(record.content):
        return f"Line {line} of {name} is not UTF-8; {AS_UTF8}"
    if (found := width(record, notation)) == expected:
        return None
    several = f"to {record.last_line} of {name} have" if record.last_line > line else f"of {name} has"
    return f"Line{'s' if record.last_line > line else ''} {line} {several} {found} values, the first line {expected}"


CSV = format_of(RowReader(files_with(*suffixes(".csv", ".tsv")), schema_summary, batches))
TSV = format_of(RowReader(files_with(*suffixes(".tsv", ".tab")), schema_summary, batches))
