"""Writes the two files of a manifest: streamed, flushed, and visible only when complete."""

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Int32, UInt64

from ted_core.results.decisions import Decisions, Reason
from ted_core.results.manifest import CATEGORY, DECISIONS_SCHEMA, MANIFEST_SCHEMA, METADATA_KEY
from ted_core.results.provenance import ManifestMetadata, Provenance
from ted_core.results.weights import weights_of_rows
from ted_core.storage.digests import ContentDigest, combined_digest

ROWS_PER_GROUP = 1 << 20
ARROW_SCHEMA_KEY = b"ARROW:schema"
"""Where Arrow looks for column types and for what a schema says beside them: an IPC message, in base64. Its own writer
would put it down before the rows are known."""
FEW_VALUED = frozenset({CATEGORY, pa.uint16()})
"""Classes, reasons, rounds."""
BY_ROW = pq.SortingColumn(0)
"""By ``row_index``, which is the first column of both files."""


@dataclass(frozen=True)
class WrittenManifest:
    """The two files, complete and flushed to disk, and their metadata."""

    manifest: Path
    decisions: Path
    metadata: ManifestMetadata


def write_manifest(folder: Path, decisions: Decisions, *, provenance: Provenance) -> WrittenManifest:
    """Write both files to ``folder``; each appears under its name only when it is complete.

    Beyond the decisions themselves this needs the memory of one row group. What is written is hashed on the way; what
    the files say about themselves is added at their ends.
    """
    shard_rows = [shard.rows for shard in provenance.dataset.shards]
    folder.mkdir(parents=True, exist_ok=True)
    manifest_path, decisions_path = folder / "manifest.parquet", folder / "decisions.parquet"
    with new_file(manifest_path, MANIFEST_SCHEMA) as manifest, new_file(decisions_path, DECISIONS_SCHEMA) as every_row:
        manifest.write(_retained(decisions, shard_rows))
        every_row.write(_every_row(decisions))
        metadata = _metadata(decisions, provenance, manifest=manifest.digest, every_row=every_row.digest)
        for file in (manifest, every_row):
            file.describe(metadata)
    return WrittenManifest(manifest_path, decisions_path, metadata)


def _metadata(
    decisions: Decisions, provenance: Provenance, *, manifest: ContentDigest, every_row: ContentDigest
) -> ManifestMetadata:
    kept = int(decisions.kept.sum())
    return ManifestMetadata(
        **provenance.model_dump(),
        rows_kept=kept,
        achieved_ratio=kept / len(decisions.kept),
        indices_sha256=manifest.of_numbers("row_index"),
        content_sha256=combined_digest({"manifest": manifest, "decisions": every_row}),
    )


def _retained(decisions: Decisions, shard_rows: list[int]) -> Iterator[pa.RecordBatch]:
    """The manifest's rows, a row group at a time."""
    classes = pa.array(decisions.classes, pa.string())
    weights = weights_of_rows(decisions.kept, decisions.inclusion_probability)
    for rows in _groups(np.flatnonzero(decisions.kept).astype(np.uint64)):
        yield manifest_batch(
            rows,
            shard_rows,
            sample_key=keys_of_rows(decisions, rows),
            score=decisions.score[rows],
            inclusion_probability=floats_of_rows(decisions.inclusion_probability, rows, count=len(rows)),
            weight=weights[rows],
            label=class_names(decisions.label[rows], classes),
        )


def manifest_batch(
    rows: UInt64[np.ndarray, " rows"], shard_rows: Sequence[int], *, label: pa.Array, **columns: Any
) -> pa.RecordBatch:
    """Rows of a manifest; ``shard_rows`` are the rows of all the dataset's files, in order.

    ``columns`` are sample_key, score, inclusion_probability and weight.
    """
    first_row = np.concatenate([[0], np.cumsum(shard_rows, dtype=np.uint64)]).astype(np.uint64)
    shard = (np.searchsorted(first_row, rows, side="right") - 1).astype(np.uint32)
    places = {"row_index": rows, "shard": shard, "row_in_shard": rows - first_row[shard]}
    return pa.record_batch(places | columns | {"label": label}, schema=MANIFEST_SCHEMA)


def _every_row(decisions: Decisions) -> Iterator[pa.RecordBatch]:
    """The decisions' rows, a row group at a time."""
    phrases = pa.array([reason.phrase for reason in Reason], pa.string())
    classes = pa.array(decisions.classes, pa.string())
    for rows in _groups(np.arange(len(decisions.kept), dtype=np.uint64)):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        columns = {
            "row_index": rows,
            "sample_key": keys_of_rows(decisions, rows),
            "kept": decisions.kept[part],
            "internal_generalization": decisions.internal_generalization[part],
            "score": decisions.score[part],
            "rank": decisions.rank[part],
            "last_round": decisions.last_round[part],
            "reason": pa.DictionaryArray.from_arrays(decisions.reason[part].astype(np.int32), phrases),
            "margin": floats_of_rows(decisions.margin, part, count=len(rows)),
            "inclusion_probability": floats_of_rows(decisions.inclusion_probability, part, count=len(rows)),
            "base_performance": floats_of_rows(decisions.base_performance, part, count=len(rows)),
            "label": class_names(decisions.label[part], classes),
        }
        yield pa.record_batch(columns, schema=DECISIONS_SCHEMA)


def _groups(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), ROWS_PER_GROUP):
        yield rows[start : start + ROWS_PER_GROUP]


def class_names(label: Int32[np.ndarray, " rows"], classes: pa.Array) -> pa.Array:
    """Rows' classes as a column, null where a row has none."""
    return pa.DictionaryArray.from_arrays(pa.array(label, mask=label < 0), classes)


def keys_of_rows(decisions: Decisions, rows: np.ndarray) -> pa.Array:
    """These rows' ids in the dataset as a column, null where there are none."""
    if decisions.sample_key is None:
        return pa.nulls(len(rows), pa.string())
    return decisions.sample_key.take(pa.array(rows)).cast(pa.string())


def floats_of_rows(values: Float32[np.ndarray, " rows"] | None, rows: np.ndarray | slice, *, count: int) -> pa.Array:
    """These rows' values as a column, null where there are none; there are ``count`` of them."""
    return pa.nulls(count, pa.float32()) if values is None else pa.array(values[rows])


class TableFile:
    """A Parquet file of rows while it is written, and the digest of what it holds so far."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, *, rows_per_group: int) -> None:
        self.digest = ContentDigest(schema)
        self._writer, self._schema, self._rows_per_group = writer, schema, rows_per_group

    def write(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Append the batches, each of which becomes row groups of its own; it is hashed while it is encoded."""
        with ThreadPoolExecutor(1) as thread:
            for batch in batches:
                hashed = thread.submit(self.digest.update, batch)
                self._writer.write_batch(batch, row_group_size=self._rows_per_group)
                hashed.result()

    def describe(self, metadata: ManifestMetadata) -> None:
        """Say in the file's footer what it is."""
        facts = {METADATA_KEY: metadata.model_dump_json().encode()}
        described = self._schema.with_metadata(facts).serialize()
        self._writer.add_key_value_metadata(facts | {ARROW_SCHEMA_KEY: b64encode(described)})


@contextmanager
def new_file(
    path: Path,
    schema: pa.Schema,
    *,
    sorted_by: pq.SortingColumn = BY_ROW,
    rows_per_group: int = ROWS_PER_GROUP,
) -> Iterator[TableFile]:
    """A file for sorted batches that appears under its name only when the block has succeeded."""
    with _atomically(path) as partial, pq.ParquetWriter(partial, schema, **_layout(schema, sorted_by)) as writer:
        yield TableFile(writer, schema, rows_per_group=rows_per_group)


@contextmanager
def _atomically(path: Path) -> Iterator[Path]:
    """A temporary path whose file is renamed to ``path`` when the block has succeeded."""
    partial = path.with_name(path.name + ".partial")
    yield partial
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _layout(schema: pa.Schema, sorted_by: pq.SortingColumn) -> dict[str, Any]:
    """Parquet options: indices as differences, floats split into byte streams, what has few values as dictionaries.

    A reader can skip rows by the least and greatest value only of columns that rise or fall with the rows.
    """
    encodings = {pa.uint64(): "DELTA_BINARY_PACKED", pa.float32(): "BYTE_STREAM_SPLIT"}
    scattered = {pa.float32(), pa.bool_(), *FEW_VALUED} - {schema.field(sorted_by.column_index).type}
    return {
        "compression": "zstd",
        "use_dictionary": [field.name for field in schema if field.type in FEW_VALUED],
        "column_encoding": {field.name: encodings[field.type] for field in schema if field.type in encodings},
        "write_statistics": [field.name for field in schema if field.type not in scattered],
        "write_page_index": True,
        "sorting_columns": [sorted_by],
        "store_schema": False,
    }
