"""The dataset behind a manifest, verified, and its retained rows, a block at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ted_core.datasets.columns.labels import class_names, named_classes
from ted_core.datasets.columns.types import is_list, without_dictionaries
from ted_core.datasets.formats.base import SchemaSummary
from ted_core.datasets.loading import OpenedDataset, open_dataset
from ted_core.datasets.spec import DatasetSpec
from ted_core.results.manifest import Manifest, anywhere, spec_at, verify

BLOCK_ROWS, BLOCK_BYTES = 1 << 16, 128 << 20
"""A block is full with so many rows, or so many bytes: what is in memory at a time, and in a shard."""


@dataclass(frozen=True)
class ExportBlock:
    """Some retained rows that follow each other."""

    number: int
    start: int
    """How many retained rows come before them."""
    table: pa.Table
    """What the dataset holds in them."""
    rows: Sequence[int]
    """Their numbers in the dataset."""
    labels: Sequence[str | None]
    """Their classes, as the manifest has them."""
    keys: Sequence[str | None]


@dataclass(frozen=True)
class ExportedDataset:
    """A dataset that is the manifest's, and what is known of it without reading its rows."""

    manifest: Manifest
    opened: OpenedDataset
    summary: SchemaSummary
    class_counts: Counter[str] = field(default_factory=Counter)
    """The rows of each class in the whole dataset, as far as they have been read."""

    @classmethod
    def of(cls, manifest: Manifest, uri: str) -> "ExportedDataset":
        """Return the dataset at this URI. Raises ManifestMismatch if it is another one, and what reading it raises."""
        verify(manifest, uri)
        spec = spec_at(uri, manifest)
        opened = open_dataset(spec, roots=anywhere(spec))
        return cls(manifest, opened, opened.schema_summary())

    @property
    def spec(self) -> DatasetSpec:
        """How it is read."""
        return self.opened.spec

    @property
    def schema(self) -> pa.Schema | None:
        """The columns of its rows; None if it holds arrays, whose rows are an input and a label."""
        return self.summary.schema

    @property
    def has_one_class_each(self) -> bool:
        """Whether each row has one class."""
        return bool(self.summary.targets) and not self.summary.several_classes

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of codes 0, 1 …: the dataset's own, or else those of the retained rows, sorted."""
        stated = class_names(self.schema, self.summary.targets[0]) if self.schema is not None else ()
        present = sorted(self.retained_prior)
        return stated if stated and set(present) <= set(stated) else tuple(present)

    def _column(self, name: str) -> pa.ChunkedArray:
        """A column of the manifest, as plain strings."""
        parts = [batch[name].cast(pa.large_string()) for batch in self.manifest.batches(name)]
        return pa.chunked_array(parts, pa.large_string())

    # --- rows ---------------------------------------------------------------------------------------------------------

    def blocks(self, done: int, number: int) -> Iterator[ExportBlock]:
        """Yield the retained rows but for the first ``done``, which earlier blocks held; the next is ``number``."""
        rows, labels, keys = self.manifest.row_indices, self._column("label"), self._column("sample_key")
        start = done
        for table in _grouped(self._retained(rows), done):
            count = table.num_rows
            numbers = rows[start : start + count].tolist()
            names, ids = (column.slice(start, count).to_pylist() for column in (labels, keys))
            yield ExportBlock(number, start, table, numbers, names, ids)
            start, number = start + count, number + 1

    def _retained(self, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
        """The retained rows of some rows at a time."""
        if self.schema is None or self.opened.format.read_batches is None:
            yield from self._of_arrays(rows)
            return
        start = 0
        for batch in self.opened.format.read_batches(self.opened.files, self.spec, self.schema.names):
            self._count_classes(batch)
            first, last = np.searchsorted(rows, [start, start + batch.num_rows])
            yield batch.take(pa.array(rows[first:last] - start))
            start += batch.num_rows

    def _of_arrays(self, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Each row of an array: its input and its label, by the manifest."""
        assert self.opened.format.read_rows, "TED's own formats can be read by row"  # noqa: S101
        (target,) = self.summary.targets
        batches = self.opened.format.read_rows(self.opened.files, self.spec, self.summary.inputs, rows.tolist())
        for batch, label in zip(batches, self._column("label"), strict=True):
            yield pa.record_batch([*batch.columns, pa.array([label.as_py()])], [*batch.schema.names, target])

    def _count_classes(self, batch: pa.RecordBatch) -> None:
        if len(self.summary.targets) != 1 or is_list(batch.schema.field(self.summary.targets[0]).type):
            return
        counts = without_dictionaries(batch[self.summary.targets[0]]).value_counts()
        for value, count in zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True):
            self.class_counts[str(value)] += count

    @property
    def prior(self) -> Mapping[str, int]:
        """The rows of each class in the whole dataset, once all of it was read; empty if that is not known."""
        codes = list(self.class_counts)
        if self.schema is None or not codes:
            return {}
        names = named_classes(codes, self.schema, self.summary.targets)
        return {name: self.class_counts[code] for name, code in zip(names, codes, strict=True)}

    @cached_property
    def retained_prior(self) -> Mapping[str, int]:
        """The retained rows of each class; empty if rows have none."""
        counts = self._column("label").drop_null().value_counts()
        return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _grouped(batches: Iterator[pa.RecordBatch], done: int) -> Iterator[pa.Table]:
    """The rows in blocks, which begin where they would have begun without ``done``."""
    pending: list[pa.RecordBatch] = []
    for part in _after(batches, done):
        pending.append(part)
        if sum(map(len, pending)) >= BLOCK_ROWS or sum(one.nbytes for one in pending) >= BLOCK_BYTES:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


def _after(batches: Iterator[pa.RecordBatch], done: int) -> Iterator[pa.RecordBatch]:
    """The rows after the first ``done``; these are whole parts of batches."""
    seen = 0
    for batch in batches:
        for offset in range(0, batch.num_rows, BLOCK_ROWS):
            part = batch.slice(offset, BLOCK_ROWS)
            seen += part.num_rows
            if seen > done:
                yield part


def is_complete(dataset: ExportedDataset) -> bool:
    """Return whether every retained row has a label."""
    return all(pc.all(batch["label"].is_valid()).as_py() for batch in dataset.manifest.batches("label"))
