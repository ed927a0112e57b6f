"""Formats of rows: files whose rows have named columns, however they are stored."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from ted_core.datasets.budget import current_budget
from ted_core.datasets.columns.assemble import RowSource, assemble_samples
from ted_core.datasets.columns.images.decoder import decoded_shape
from ted_core.datasets.columns.images.image_files import ImageSettings
from ted_core.datasets.columns.left_out import note_left_out
from ted_core.datasets.columns.plain_types import ROWS_AT_A_TIME, needs_decoding, plain, plain_schema
from ted_core.datasets.columns.preview import IMAGES, RowsToPreview
from ted_core.datasets.columns.roles import Roles, least_shape, roles
from ted_core.datasets.columns.types import unusable_types_refused
from ted_core.datasets.columns.unified_schema import in_type
from ted_core.datasets.formats.base import DatasetPart, Format, SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import FindFiles
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetChanged, DatasetUnreadable, MixedTypes, UnknownColumn, UnusableInputs, UnusableLabels

LARGEST_BATCH = 1 << 30
"""Bytes; Arrow's strings can hold 2 GiB."""

RowsOfFile = Callable[[Source, Sequence[str], DatasetSpec, Sequence[int]], Iterator[pa.RecordBatch]]
"""(file, columns' names, request, the rows' numbers in the file, which ascend) → these rows."""


@dataclass(frozen=True)
class RowReader:
    """How rows with named columns are stored; ``format_of`` makes a ``Format`` of it."""

    files: FindFiles
    schema_summary: Callable[[Sequence[Source], DatasetSpec], tuple[pa.Schema, tuple[int, ...]]]
    """A schema that holds the rows of all files, and the rows of each, as cheaply as the format allows."""
    batches: Callable[[Sequence[Source], Sequence[str], DatasetSpec], Iterator[pa.RecordBatch]]
    """The named columns in that order, row by row; never the whole file if the format can be streamed. Types may be
    other ones than in the schema, if ``columns.unified_schema`` can unify them."""
    first_image: Callable[[Sequence[Source]], bytes | None] = lambda _: None
    """The first encoded image, if that is cheap to read: it decides about the shape of all."""
    rows_of_file: RowsOfFile | None = None
    """Those rows of one file, each as a batch of its own, if there is a quicker way than to read through all files."""
    late_columns: bool = False
    """Whether a row may have columns that none before it has, so that they are known only once all rows were read."""
    in_parts: bool = False
    """Whether some files can be read without the others once the schema of all is known."""


def format_of(reader: RowReader) -> Format:
    """Return the format whose rows ``reader`` yields: columns are checked against the task, rows become samples.

    Here each row is two bytes, a value and its class:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from ted_core.datasets.sources.shards import files_with
    >>> from ted_core.datasets.sources.uri import locate
    >>> SCHEMA = pa.schema({"value": pa.uint8(), "label": pa.uint8()})
    >>> def schema_summary(sources, spec):
    ...     return SCHEMA, tuple(source.size // 2 for source in sources)
    >>> def batches(sources, names, spec):
    ...     for source in sources:
    ...         with source.open() as file:
    ...             pairs = np.frombuffer(file.read(), np.uint8).reshape(-1, 2)
    ...         yield pa.record_batch([pa.array(column) for column in pairs.T], SCHEMA).select(names)
    >>> BYTE_PAIRS = format_of(RowReader(files_with(".pairs"), schema_summary, batches))

    An entry point in the group ``ted.datasets`` gives it the name that requests use. Without one:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, content in {"a.pairs": [7, 0, 9, 1], "b.pairs": [8, 0]}.items():
    ...         _ = Path(folder, name).write_bytes(bytes(content))
    ...     spec = DatasetSpec(uri=folder, task="tabular-classification")
    ...     files = BYTE_PAIRS.files(locate(folder, roots=[Path(folder)]), spec)
    ...     samples = BYTE_PAIRS.load(files, spec, Limits())
    >>> samples.inputs.ravel(), samples.labels, samples.classes
    (array([7., 9., 8.], dtype=float32), array([0, 1, 0]), ('0', '1'))
    """

    return Format(
        reader.files,
        partial(_summary, reader),
        partial(_load, reader),
        partial(_preview, reader),
        read_rows=partial(_read_rows, reader),
        read_batches=partial(_read_batches, reader),
        load_part=partial(_load_part, reader) if reader.in_parts else None,
    )


def _summary(reader: RowReader, sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
    schema, rows = _schema_and_rows(reader, sources, spec)
    if not sum(rows):  # text without rows has no types
        return SchemaSummary(tuple(schema.names), rows)
    try:
        chosen = roles(schema, spec)
    except (UnusableInputs, UnusableLabels, UnknownColumn) as error:
        if current_budget().typed or (isinstance(error, UnknownColumn) and not reader.late_columns):
            raise
        return SchemaSummary(tuple(schema.names), rows)
    note_left_out(chosen.left_out)
    shape = least_shape(schema, chosen.inputs, spec)
    if shape is None and current_budget().counted:
        shape = _first_shape(reader, sources, spec)
    return SchemaSummary(
        tuple(schema.names),
        rows,
        chosen.several_classes(schema),
        shape,
        inputs=chosen.inputs,
        targets=chosen.targets,
        key=chosen.key,
        schema=schema if current_budget().typed else None,
    )


def _load(reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, limits: Limits) -> Samples:
    schema, rows = _schema_and_rows(reader, sources, spec)
    locations = RowLocations(tuple(source.name for source in sources), rows)
    return _load_part(reader, sources, spec, limits, DatasetPart(schema, locations, locations))


def _load_part(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, limits: Limits, part: DatasetPart
) -> Samples:
    schema = part.schema

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        types = pa.schema([schema.field(name) for name in names])
        return _typed_batches(reader, sources, spec, schema=types, locations=part.own)

    columns = roles(schema, spec)
    with unusable_types_refused(UnusableInputs, columns.names, "dataset.input"):
        return assemble_samples(RowSource(read, schema, columns, spec, part.own, limits, part.whole))


def _read_batches(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    schema, rows = _schema_and_rows(reader, sources, spec)
    locations = RowLocations(tuple(source.name for source in sources), rows)
    types = pa.schema([schema.field(name) for name in names], schema.metadata)
    return _typed_batches(reader, sources, spec, schema=types, locations=locations)


def _typed_batches(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, *, schema: pa.Schema, locations: RowLocations
) -> Iterator[pa.RecordBatch]:
    return _in_types(_checked(reader.batches(sources, schema.names, spec), locations), schema)


def _preview(reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, summary: SchemaSummary) -> SchemaSummary:
    """The summary with what the first rows and the targets show, if types are known and there are rows."""
    schema, looked_into = summary.schema, _first_members(sources)
    if schema is None or (summary.rows is not None and not sum(summary.rows)):
        return summary

    def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        batches = reader.batches(sources if set(names) <= {*summary.targets, summary.key} else looked_into, names, spec)
        return _in_types(_validated(batches), pa.schema([schema.field(name) for name in names]))

    columns = Roles(summary.inputs, summary.targets, summary.key)
    locations = RowLocations(tuple(source.name for source in sources), summary.rows or ())
    seen = RowsToPreview(read, schema, columns, spec, locations).preview()
    return replace(summary, classes=seen.classes, first_row=seen.first_row)


def _schema_and_rows(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec
) -> tuple[pa.Schema, tuple[int, ...]]:
    try:
        schema, rows = reader.schema_summary(sources, spec)
        has_nul = any("\0" in name for name in schema.names)
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"A column's name is not UTF-8 ({error})", field="dataset.uri") from error
    if has_nul:  # which PostgreSQL cannot store
        raise DatasetUnreadable("A column's name contains NUL", field="dataset.uri")
    return plain_schema(schema), rows


def _first_members(sources: Sequence[Source]) -> Sequence[Source]:
    """The first files, or the first ones inside of a folder that counts as one: what is opened for a look."""
    first = sources[0]
    return [replace(first, inside=first.inside[:IMAGES])] if first.inside else sources


def _first_shape(reader: RowReader, sources: Sequence[Source], spec: DatasetSpec) -> tuple[int, ...] | None:
    """None if the first image needs more memory than this process may have."""
    try:
        return decoded_shape(reader.first_image(sources), ImageSettings.of(spec))
    except MemoryError:
        return None


def _read_rows(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec, names: Sequence[str], rows: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    if reader.rows_of_file is None:
        yield from picked_rows(reader.batches(sources, names, spec), rows)
        return
    _, rows_per_file = _schema_and_rows(reader, sources, spec)
    start = 0
    for source, count in zip(sources, rows_per_file, strict=True):
        inside = [row - start for row in rows if start <= row < start + count]
        if inside:
            yield from reader.rows_of_file(source, names, spec, inside)
        start += count


def picked_rows(batches: Iterator[pa.RecordBatch], rows: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield each of the rows with these numbers, which ascend, and read no batch after the last of them."""
    start, numbers = 0, iter(rows)
    row = next(numbers, None)
    while row is not None and (batch := next(batches, None)) is not None:
        while row is not None and row < start + batch.num_rows:
            yield batch.slice(row - start, 1)
            row = next(numbers, None)
        start += batch.num_rows


def rows_by_reading(
    batches: Callable[[Sequence[Source], Sequence[str], DatasetSpec], Iterator[pa.RecordBatch]],
) -> RowsOfFile:
    """Return how a reader whose files do not depend on each other finds rows: it reads no other file."""
    return lambda source, names, spec, rows: picked_rows(batches([source], names, spec), rows)


def _checked(batches: Iterator[pa.RecordBatch], locations: RowLocations) -> Iterator[pa.RecordBatch]:
    """The batches, once Arrow has checked that all offsets are valid and that text is UTF-8."""
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        if end > locations.total:
            raise _changed_error(locations)
        if damage := _damage(batch):
            span = f"From row {locations.name(min(start, locations.total - 1))} on, {batch.num_rows} rows"
            raise DatasetUnreadable(f"{span} are damaged ({damage})", field="dataset.uri") from damage
        yield batch
        start = end
    if start != locations.total:
        raise _changed_error(locations)


def _changed_error(locations: RowLocations) -> DatasetChanged:
    return DatasetChanged(f"{locations.total} rows were counted, others were read", field="dataset.uri")


def _validated(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same of rows that are not counted."""
    for batch in batches:
        if damage := _damage(batch):
            raise DatasetUnreadable(f"Rows are damaged ({damage})", field="dataset.uri") from damage
        yield batch


def _damage(batch: pa.RecordBatch) -> pa.ArrowException | None:
    """What Arrow says of the batch if it is not as its type demands."""
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        return error
    return None


def _in_types(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows in the dataset's plain types. Raises MixedTypes for a whole number that a fraction cannot hold."""
    for batch in batches:
        for part in _parts(batch):
            try:
                columns = list(map(in_type, map(plain, part.columns), schema.types))
            except pa.ArrowMemoryError:  # which says nothing about the values
                raise
            except pa.ArrowException as error:
                raise MixedTypes(f"Values do not fit those of other files ({error})", field="dataset.uri") from error
            yield pa.record_batch(columns, schema=schema)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows, so many at a time that what they are decoded into fits into Arrow's arrays, and into the memory."""
    fitting = max(1, LARGEST_BATCH * batch.num_rows // max(batch.nbytes, 1))
    step = min(fitting, ROWS_AT_A_TIME) if needs_decoding(batch.schema) else fitting
    return (batch.slice(start, step) for start in range(0, batch.num_rows, step))
