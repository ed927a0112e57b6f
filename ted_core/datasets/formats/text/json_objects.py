"""Rows that are JSON objects, whose keys are the columns. A column that an object lacks is null.

All values of a column have one type: whole numbers beside fractions become fractions, an object has the keys of all. A
column that no single type fits is remembered, and refused only if the task reads it.

Objects become Arrow arrays by way of Python. Arrow's own JSON reader is faster, yet it makes invalid arrays of lists
with nulls, and a leading ``null`` ends the process (https://github.com/apache/arrow/issues/47409).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from ted_core.datasets.columns.roles import roles
from ted_core.datasets.columns.types import is_list
from ted_core.datasets.formats.text.content import refuse_binary
from ted_core.datasets.formats.text.unified import Misfit, UnifiedTypes
from ted_core.datasets.formats.text_scan import MOST_COLUMNS, cached_per_source, many_columns_error, scan_each
from ted_core.datasets.sources.base import Source
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import (
    DatasetUnreadable,
    MixedTypes,
    SchemasDiffer,
    TedError,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)

MOST_VALUES = 4 << 20
"""How many values a batch may have: each object has one for every key, most of them perhaps null."""
MOST_NESTED = 1000
"""How many different keys the columns of a file may hold; objects keyed by ids would make a field of every id."""
INCONSISTENT = (pa.ArrowException, OverflowError, TypeError, ValueError)
"""What Arrow raises for values that no single type can hold."""


class JsonObject(NamedTuple):
    """A row, and its number, counted from 1: that of its line, or of the object in an array."""

    number: int
    record: dict[str, Any]


class FileTypes(NamedTuple):
    """What one pass over a file finds, as far as the inspection's budget goes."""

    name: str
    schema: pa.Schema
    rows: int
    misfits: Mapping[str, Misfit]


@dataclass(frozen=True)
class ObjectReader:
    """How rows that are objects are read, whatever separates them."""

    noun: str
    """What a row's number counts."""
    blocks: Callable[[Source], Iterator[list[JsonObject]]]
    """Some of a file's rows at a time, as far as the inspection's budget goes."""

    def schema_summary(self, sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
        """Return the columns that any row has, with types that hold all their values, and the rows of each file.

        This reads and parses every file once, about a million short texts in three seconds, and is remembered until the
        file changes. Raises DatasetUnreadable; MixedTypes, which names the row, and SchemasDiffer, which names the
        files, for columns that the task reads.
        """
        types = _unified(self, tuple(sources))
        _refuse_document(types, spec)
        types.check(spec)
        return types.schema, types.rows

    def batches(self, sources: Sequence[Source], names: Sequence[str], _: DatasetSpec) -> Iterator[pa.RecordBatch]:
        """Yield the named columns, a few megabytes of rows at a time, in types that hold the values of all files."""
        types = {column.name: column for column in _unified(self, tuple(sources)).schema}
        columns = pa.struct([types.get(name, pa.field(name, pa.null())) for name in names])
        for source in sources:
            for rows in self.blocks(source):
                for part in _parts(rows, width=_width(columns)):
                    yield pa.RecordBatch.from_struct_array(self._typed(part, columns, source))

    def _typed(self, rows: Sequence[JsonObject], columns: pa.StructType, source: Source) -> pa.StructArray:
        """The rows' values in the columns' types.

        Raises MixedTypes, which names the row, for a whole number beyond 2^53 if others have fractions.
        """
        try:
            return pa.array([row.record for row in rows], columns)
        except INCONSISTENT as error:
            if len(rows) > 1:  # in halves, to find out which
                for half in _halves(rows):
                    self._typed(half, columns, source)
            fact = f"{self.noun} {rows[0].number} of {source.name} does not fit the other rows ({error})"
            raise MixedTypes(fact, field="dataset.uri") from error


def _refuse_document(types: UnifiedTypes, spec: DatasetSpec) -> None:
    """Raise why the columns cannot be used, and that the only row seems to hold all rows, if it does."""
    if sum(types.rows) == 1 and (hint := _document_hint(types.schema)):
        try:
            roles(types.schema, spec)
        except (UnknownColumn, UnusableInputs, UnusableLabels) as error:
            raise type(error)(f"{error.fact}; {hint}", field=error.field) from error
        except TedError:  # whoever asks next is told
            return


def _document_hint(schema: pa.Schema) -> str | None:
    inner = [name for name, kind in zip(schema.names, schema.types, strict=True) if is_list(kind) and _is_row(kind)]
    if inner:
        return (
            f"the only row is an object whose {inner[0]!r} holds objects: write that array alone (dataset.format json)"
        )
    if schema.names and all(is_list(kind) or pa.types.is_struct(kind) for kind in schema.types):
        return "the only row is an object of columns: write one object per row, as pandas does with orient='records'"
    return None


def _is_row(kind: pa.ListType) -> bool:
    return bool(pa.types.is_struct(kind.value_type))


@cached_per_source
def _unified(reader: ObjectReader, sources: tuple[Source, ...]) -> UnifiedTypes:
    """The columns of all files, in the order in which they first occur, with types that hold all their values."""
    files = scan_each(lambda source: _scan(reader, source), sources)
    columns: dict[str, pa.Field] = {}
    origins: dict[str, str] = {}
    misfits: dict[str, Misfit] = {}
    for file in files:
        misfits = {**file.misfits, **misfits}
        for column in file.schema:
            known = columns.setdefault(column.name, column)
            if known.type == column.type:
                origins.setdefault(column.name, file.name)
            elif merged := _merged_field(known, column):
                columns[column.name], origins[column.name] = merged, file.name
            else:
                misfits.setdefault(column.name, _differing(column, file, known, origins[column.name]))
    return UnifiedTypes(pa.schema(list(columns.values())), tuple(file.rows for file in files), misfits, {})


def _merged_field(left: pa.Field, right: pa.Field) -> pa.Field | None:
    try:
        return _merged(pa.schema([left]), pa.schema([right])).field(0)
    except pa.ArrowException:
        return None


def _differing(column: pa.Field, file: FileTypes, known: pa.Field, other: str) -> Misfit:
    fact = f"Column {column.name!r} is {column.type} in {file.name}, but {known.type} in {other}"
    return Misfit(SchemasDiffer, fact)


# --- one pass over a file ---------------------------------------------------------------------------------------------


@cached_per_source
def _scan(reader: ObjectReader, source: Source) -> FileTypes:
    refuse_binary(source)
    scan = ObjectScan(reader.noun, source)
    for rows in reader.blocks(source):
        scan.add(rows)
    return FileTypes(source.name, scan.schema, scan.rows, scan.misfits)


class ObjectScan:
    """What is known of a file's columns so far."""

    def __init__(self, noun: str, source: Source) -> None:
        self.noun, self.source = noun, source
        self.schema = pa.schema([])
        self.rows = 0
        self.misfits: dict[str, Misfit] = {}
        self.keys: dict[str, set[tuple[str, ...]]] = {}
        """Column → the paths of all keys inside it."""
        self.nested = 0
        """How many these are."""

    def add(self, rows: Sequence[JsonObject]) -> None:
        """Look at the next rows. Raises DatasetUnreadable for very many columns."""
        for row in rows:
            self._note_keys(row)
        for part in _parts(rows, width=len(self.keys) + self.nested):
            self._extend(part)
        self.rows += len(rows)

    # --- keys -----------------------------------------------------------------------------------------------------

    def _note_keys(self, row: JsonObject) -> None:
        for name, value in row.record.items():
            if name not in self.keys:
                self.keys[name] = set()
                if len(self.keys) > MOST_COLUMNS:
                    raise many_columns_error(self.source)
            if type(value) in (dict, list) and name not in self.misfits:
                before = len(self.keys[name])
                _note_keys(value, (), self.keys[name])
                self.nested += len(self.keys[name]) - before
        if self.nested > MOST_NESTED:
            self._set_aside(row, max(self.keys, key=lambda name: len(self.keys[name])))

    def _set_aside(self, row: JsonObject, name: str) -> None:
        """Give up a column of objects keyed by ids: each key would be a field in every row."""
        count = f"{len(self.keys[name]):,} different keys; write such objects as strings, or leave them out"
        fact = f"By {self._place(row)[0].lower()}{self._place(row)[1:]} the objects in column {name!r} have {count}"
        self._give_up(name, row.record.get(name), Misfit(DatasetUnreadable, fact))
        self.nested -= len(self.keys[name])
        self.keys[name] = set()

    def _place(self, row: JsonObject) -> str:
        return f"{self.noun} {row.number} of {self.source.name}"

    # --- types ----------------------------------------------------------------------------------------------------

    def _extend(self, rows: Sequence[JsonObject]) -> None:
        """Make the schema hold these rows too, except for columns that no type fits."""
        try:
            self.schema = _merged(self.schema, _schema(_without(rows, self.misfits)))
        except INCONSISTENT:
            if len(rows) == 1:
                self._extend_each(rows[0])
            else:  # in halves, to find out which
                for half in _halves(rows):
                    self._extend(half)

    def _extend_each(self, row: JsonObject) -> None:
        """Make the schema hold each of the row's columns by itself, and give up those that do not fit."""
        for name, value in row.record.items():
            if name not in self.misfits:
                try:
                    self.schema = _merged(self.schema, _schema([{name: value}]))
                except UnicodeEncodeError as error:
                    fact = f"{self._place(row)} holds half of a character in column {name!r} ({error})"
                    self._give_up(name, value, Misfit(DatasetUnreadable, fact))
                except INCONSISTENT as error:
                    fact = f"{self._place(row)} does not fit those before in column {name!r} ({error})"
                    self._give_up(name, value, Misfit(MixedTypes, fact))

    def _give_up(self, name: str, value: Any, misfit: Misfit) -> None:
        """Look no longer at the column, whose type is the one that it seemed to have."""
        self.misfits[name] = misfit
        if self.schema.get_field_index(name) < 0:
            self.schema = self.schema.append(pa.field(name, _type_of(value)))


def _type_of(value: Any) -> pa.DataType:
    try:
        return pa.array([value]).type
    except INCONSISTENT:
        return pa.null()


def _note_keys(value: Any, path: tuple[str, ...], seen: set[tuple[str, ...]]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            seen.add((*path, name))
            _note_keys(inner, (*path, name), seen)
    elif isinstance(value, list):
        for inner in value:
            _note_keys(inner, path, seen)


def _without(rows: Sequence[JsonObject], dropped: Collection[str]) -> list[dict[str, Any]]:
    """The rows' objects, without these columns."""
    if not dropped:
        return [row.record for row in rows]
    return [{name: value for name, value in row.record.items() if name not in dropped} for row in rows]


def _schema(records: Sequence[dict[str, Any]]) -> pa.Schema:
    return pa.schema(list(pa.array(records).type))


def _merged(left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """The columns of either; integers beside fractions become fractions, null fits everything."""
    return pa.unify_schemas([left, right], promote_options="permissive")


# --- so many at a time ------------------------------------------------------------------------------------------------


def _parts(rows: Sequence[JsonObject], *, width: int) -> Iterator[Sequence[JsonObject]]:
    """The rows, so many at a time that they have no more than ``MOST_VALUES`` if each has this many."""
    step = max(1, MOST_VALUES // max(width, 1))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _width(columns: pa.DataType) -> int:
    """How many values a row has at least, those of objects and lists inside others included."""
    inner = (columns.field(index).type for index in range(columns.num_fields))
    return 1 + sum(map(_width, inner))


def _halves(rows: Sequence[JsonObject]) -> tuple[Sequence[JsonObject], Sequence[JsonObject]]:
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]
