"""Formats of rows: files whose rows have named columns, whatever the bytes between them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ted_core.datasets.columns.assemble import RowSource, assemble_samples
from ted_core.datasets.columns.roles import roles
from ted_core.datasets.formats.base import Format, SchemaSummary
from ted_core.datasets.limits import Limits
from ted_core.datasets.row_locations import RowLocations
from ted_core.datasets.samples import Samples
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import FindFiles
from ted_core.datasets.spec import DatasetSpec
from ted_core.errors import DatasetChanged, DatasetUnreadable


@dataclass(frozen=True)
class RowReader:
    """One way of storing rows that have named columns."""

    files: FindFiles
    schema_summary: Callable[[Sequence[Source], DatasetSpec], tuple[pa.Schema, tuple[int, ...]]]
    """The schema that all files share and the rows of each, as cheaply as the format allows."""
    batches: Callable[[Sequence[Source], Sequence[str]], Iterator[pa.RecordBatch]]
    """The named columns in that order, row by row, never the whole file where the format can stream."""


def format_of(reader: RowReader) -> Format:
    """The format as every other is used: columns are checked against the task, rows become samples."""

    def outline(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
        schema, rows = _schema_summary(reader, sources, spec)
        several = bool(sum(rows)) and roles(schema, spec).several_classes(schema)  # text formats' types are their rows'
        return SchemaSummary(tuple(schema.names), rows, several)

    def load(sources: Sequence[Source], spec: DatasetSpec, limits: Limits) -> Samples:
        schema, rows = _schema_summary(reader, sources, spec)
        places = RowLocations(tuple(source.name for source in sources), rows)
        chosen = roles(schema, spec)

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return _checked(reader.batches(sources, names), places)

        return assemble_samples(RowSource(read, schema, chosen, spec, places, limits))

    return Format(reader.files, outline, load)


def _schema_summary(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec
) -> tuple[pa.Schema, tuple[int, ...]]:
    try:
        schema, rows = reader.schema_summary(sources, spec)
        schema.names  # noqa: B018 - decodes them
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"A column's name is not UTF-8 ({error})", field="dataset.uri") from error
    return schema, rows


def _checked(batches: Iterator[pa.RecordBatch], places: RowLocations) -> Iterator[pa.RecordBatch]:
    """The batches, once Arrow has proved that no offset leads astray and that text is UTF-8."""
    done = 0
    for batch in batches:
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            span = f"From row {places.name(done)} on, {batch.num_rows} rows are damaged"
            raise DatasetUnreadable(f"{span} ({error})", field="dataset.uri") from error
        done += batch.num_rows
        if done > places.total:
            break
        yield batch
    if done != places.total:
        raise DatasetChanged(f"{places.total} rows were counted, others were read", field="dataset.uri")
