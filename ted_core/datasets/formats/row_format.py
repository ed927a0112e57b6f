"""Formats of rows: files whose rows have named columns, however they are stored."""

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
    """How rows with named columns are stored; ``format_of`` makes a ``Format`` of it."""

    files: FindFiles
    schema_summary: Callable[[Sequence[Source], DatasetSpec], tuple[pa.Schema, tuple[int, ...]]]
    """The schema that all files share and the rows of each, as cheaply as the format allows."""
    batches: Callable[[Sequence[Source], Sequence[str]], Iterator[pa.RecordBatch]]
    """The named columns in that order, row by row; never the whole file if the format can be streamed."""


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
    >>> def batches(sources, names):
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

    def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> SchemaSummary:
        schema, rows = _schema_and_rows(reader, sources, spec)
        several = bool(sum(rows)) and roles(schema, spec).several_classes(schema)  # text without rows has no types
        return SchemaSummary(tuple(schema.names), rows, several)

    def load(sources: Sequence[Source], spec: DatasetSpec, limits: Limits) -> Samples:
        schema, rows = _schema_and_rows(reader, sources, spec)
        locations = RowLocations(tuple(source.name for source in sources), rows)

        def read(names: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return _checked(reader.batches(sources, names), locations)

        return assemble_samples(RowSource(read, schema, roles(schema, spec), spec, locations, limits))

    return Format(reader.files, schema_summary, load)


def _schema_and_rows(
    reader: RowReader, sources: Sequence[Source], spec: DatasetSpec
) -> tuple[pa.Schema, tuple[int, ...]]:
    try:
        schema, rows = reader.schema_summary(sources, spec)
        schema.names  # noqa: B018 - decodes them
    except UnicodeDecodeError as error:
        raise DatasetUnreadable(f"A column's name is not UTF-8 ({error})", field="dataset.uri") from error
    return schema, rows


def _checked(batches: Iterator[pa.RecordBatch], locations: RowLocations) -> Iterator[pa.RecordBatch]:
    """The batches, once Arrow has checked that all offsets are valid and that text is UTF-8."""
    rows = 0
    for batch in batches:
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            span = f"From row {locations.name(rows)} on, {batch.num_rows} rows are damaged"
            raise DatasetUnreadable(f"{span} ({error})", field="dataset.uri") from error
        rows += batch.num_rows
        if rows > locations.total:
            break
        yield batch
    if rows != locations.total:
        raise DatasetChanged(f"{locations.total} rows were counted, others were read", field="dataset.uri")
