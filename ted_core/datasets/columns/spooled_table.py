"""Record batches become a table: in memory while they are small, else in a file that is mapped and has no name."""

import mmap
import tempfile
import weakref
from collections.abc import Iterable
from functools import cached_property

import pyarrow as pa
from pyarrow import ipc

from ted_core.datasets.limits import Limits


class SpooledTable:
    """A table that grows by batches. Later batches may lack columns; the table has those of the last one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._rows = 0
        self._bytes = 0
        self._names: list[str] = []
        self._pending: list[pa.RecordBatch] = []
        self._file: _File | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Append the rows, whose columns were all in earlier batches. Raises DatasetTooLarge."""
        self._names = batch.schema.names
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        self._pending.append(batch)
        if not self.limits.in_memory(self._bytes, f"{self._rows:,} rows of {batch.num_columns} columns"):
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = _File(self.limits, self._pending[0].schema)
        for batch in self._pending:
            self._file.add(batch)
        self._pending.clear()

    def table(self) -> pa.Table:
        """Return all rows."""
        if self._file:
            return self._file.table.select(self._names)
        return pa.Table.from_batches([batch.select(self._names) for batch in self._pending])


class _File:
    """A stream of batches. Unlike in Arrow's file format, a column's dictionary may change from one to the next."""

    def __init__(self, limits: Limits, schema: pa.Schema) -> None:
        assert limits.cache, "only what has a folder is written to disk"  # noqa: S101
        limits.cache.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=limits.cache)  # noqa: SIM115 - is closed once mapped, or with this object
        weakref.finalize(self, self._file.close)
        self._schema = schema
        self._stream = ipc.new_stream(self._file, schema)

    def add(self, batch: pa.RecordBatch) -> None:
        """Append the rows, with nulls in the columns that they lack."""
        columns = [self._column(batch, field) for field in self._schema]
        self._stream.write_batch(pa.record_batch(columns, schema=self._schema))

    @staticmethod
    def _column(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        return batch[field.name] if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)

    @cached_property
    def table(self) -> pa.Table:
        """What was written, mapped. The disk space is freed with the last array that refers to it."""
        self._stream.close()
        self._file.flush()
        content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        return ipc.open_stream(pa.py_buffer(content)).read_all()


def spool_table(batches: Iterable[pa.RecordBatch], limits: Limits) -> pa.Table:
    """Return the batches, at least one, as a table. Raises DatasetTooLarge."""
    spooled = SpooledTable(limits)
    for batch in batches:
        spooled.add(batch)
    return spooled.table()
