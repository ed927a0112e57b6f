"""Arrow IPC files and streams; on a disk, they are mapped into memory, so that uncompressed columns are not copied."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import pyarrow as pa
from pyarrow import ipc

from ted_core.datasets.budget import within_budget
from ted_core.datasets.columns.unified_schema import FileSchema, unify
from ted_core.datasets.formats.arrow_ipc import MAGIC, rows_in
from ted_core.datasets.formats.row_format import RowReader, format_of, rows_by_reading
from ted_core.datasets.formats.text_scan import cached_per_source
from ted_core.datasets.sources.base import Source, unreadable_error
from ted_core.datasets.sources.read_errors import translate_read_errors
from ted_core.datasets.sources.shards import files_with
from ted_core.datasets.spec import DatasetSpec

Reader: TypeAlias = ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader


def schema_summary(sources: Sequence[Source], spec: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """Return the schema, and each file's number of rows from the headers of its batches."""
    schema = unify([_file_schema(sources[0]), *map(_file_schema, within_budget(sources[1:]))], spec)
    return schema, tuple(map(_count, within_budget(sources)))


def _file_schema(source: Source) -> FileSchema:
    return FileSchema(source.name, _schema(source), is_empty=lambda: not _count(source))


def _schema(source: Source) -> pa.Schema:
    with (
        translate_read_errors(source, otherwise="is not an Arrow file", field="dataset.format"),
        _opened(source) as reader,
    ):
        return reader.schema


@cached_per_source
def _count(source: Source) -> int:
    with translate_read_errors(source), source.open_buffered() as file:
        try:
            return rows_in(file)
        except ValueError as error:
            raise unreadable_error(f"{source.name} is damaged", error) from error


def batches(sources: Sequence[Source], names: Sequence[str], _: DatasetSpec) -> Iterator[pa.RecordBatch]:
    """Yield the named columns, in the batches that they were written in."""
    for source in sources:
        schema = _schema(source)
        fields = [schema.get_field_index(name) for name in names]
        if min(fields, default=0) < 0:  # only a file without rows may lack columns
            continue
        with translate_read_errors(source):
            for batch in _batches(source, fields=fields):
                yield batch.select(list(names))


def _batches(source: Source, *, fields: list[int]) -> Iterator[pa.RecordBatch]:
    with _opened(source, fields=fields) as reader:
        if isinstance(reader, ipc.RecordBatchFileReader):
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from reader


@contextmanager
def _opened(source: Source, *, fields: list[int] | None = None) -> Iterator[Reader]:
    options = ipc.IpcReadOptions(included_fields=fields)
    is_file = source.read_start(len(MAGIC)) == MAGIC
    with source.open_mapped() if is_file else source.open_mapped_stream() as file:
        yield ipc.open_file(file, options=options) if is_file else ipc.open_stream(file, options=options)


READER = RowReader(
    files_with(".arrow", ".feather", ".ipc"), schema_summary, batches, rows_of_file=rows_by_reading(batches)
)
ARROW = format_of(READER)
