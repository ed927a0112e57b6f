"""Arrow IPC: files and streams, mapped into memory, so that what is not compressed is read where it lies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from ted_core.datasets.rows import RowReader, format_of
from ted_core.datasets.shards import files_with, reading, refuse_other_schema
from ted_core.datasets.spec import DatasetSpec

MAGIC = b"ARROW1"
"""How a file begins; a stream begins with its first message."""


def outline(paths: Sequence[Path], _: DatasetSpec) -> tuple[pa.Schema, tuple[int, ...]]:
    """The schema, and the rows that each batch's header tells; where batches are compressed, one column is read."""
    schemas = [_schema(path) for path in paths]
    for path, schema in zip(paths, schemas, strict=True):
        refuse_other_schema(path, schemas[0], schema)
    return schemas[0], tuple(_count(path) for path in paths)


def _schema(path: Path) -> pa.Schema:
    with reading(path, otherwise="is not an Arrow file", field="dataset.format"), pa.memory_map(str(path)) as file:
        return _opened(file).schema


def _count(path: Path) -> int:
    with reading(path):
        return sum(batch.num_rows for batch in _batches(path, fields=[0]))


def batches(paths: Sequence[Path], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The named columns, in the batches that they were written in."""
    for path in paths:
        schema = _schema(path)
        with reading(path):
            for batch in _batches(path, fields=[schema.get_field_index(name) for name in names]):
                yield batch.select(list(names))


def _batches(path: Path, *, fields: list[int]) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as file:
        reader = _opened(file, fields=fields)
        if isinstance(reader, ipc.RecordBatchFileReader):
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from reader


def _opened(
    file: pa.MemoryMappedFile, *, fields: list[int] | None = None
) -> ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader:
    options = ipc.IpcReadOptions(included_fields=fields)
    is_file = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return ipc.open_file(file, options=options) if is_file else ipc.open_stream(file, options=options)


READER = RowReader(files_with(".arrow", ".feather", ".ipc"), outline, batches)
ARROW = format_of(READER)
