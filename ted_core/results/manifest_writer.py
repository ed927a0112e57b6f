"""Writes the two files of a manifest: streamed, flushed, and visible only when complete."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int32, UInt64

from ted_core.results.decisions import Decisions, Reason
from ted_core.results.manifest import CATEGORY, DECISIONS_SCHEMA, MANIFEST_SCHEMA, METADATA_KEY
from ted_core.results.provenance import ManifestMetadata, Provenance
from ted_core.storage.digests import ContentDigest, combined_digest, indices_digest

ROWS_PER_GROUP = 1 << 20


@dataclass(frozen=True)
class WrittenManifest:
    """The two files, complete and flushed to disk, and their metadata."""

    manifest: Path
    decisions: Path
    metadata: ManifestMetadata


def write_manifest(folder: Path, decisions: Decisions, *, provenance: Provenance) -> WrittenManifest:
    """Write both files to ``folder``; each appears under its name only when it is complete.

    Beyond the decisions themselves this needs the memory of one row group.
    """
    metadata = _metadata(decisions, provenance)
    shard_rows = [shard.rows for shard in provenance.dataset.shards]
    folder.mkdir(parents=True, exist_ok=True)
    manifest_path, decisions_path = folder / "manifest.parquet", folder / "decisions.parquet"
    write_file(manifest_path, MANIFEST_SCHEMA, batches=_retained(decisions, shard_rows), metadata=metadata)
    write_file(decisions_path, DECISIONS_SCHEMA, batches=_every_row(decisions), metadata=metadata)
    return WrittenManifest(manifest_path, decisions_path, metadata)


def _metadata(decisions: Decisions, provenance: Provenance) -> ManifestMetadata:
    kept = int(decisions.kept.sum())
    return ManifestMetadata(
        **provenance.model_dump(),
        rows_kept=kept,
        achieved_ratio=kept / len(decisions.kept),
        indices_sha256=indices_digest(np.flatnonzero(decisions.kept)),
        content_sha256=_content(decisions, [shard.rows for shard in provenance.dataset.shards]),
    )


def _content(decisions: Decisions, shard_rows: list[int]) -> str:
    manifest_digest, decisions_digest = ContentDigest(MANIFEST_SCHEMA), ContentDigest(DECISIONS_SCHEMA)
    for batch in _retained(decisions, shard_rows):
        manifest_digest.update(batch)
    for batch in _every_row(decisions):
        decisions_digest.update(batch)
    return combined_digest({"manifest": manifest_digest, "decisions": decisions_digest})


def _retained(decisions: Decisions, shard_rows: list[int]) -> Iterator[pa.RecordBatch]:
    """The manifest's rows, a row group at a time."""
    classes = pa.array(decisions.classes, pa.string())
    for rows in _groups(np.flatnonzero(decisions.kept).astype(np.uint64)):
        yield manifest_batch(
            rows,
            shard_rows,
            sample_key=_keys(decisions, rows),
            score=decisions.score[rows],
            label=_label(decisions.label[rows], classes),
        )


def manifest_batch(
    rows: UInt64[np.ndarray, " rows"], shard_rows: Sequence[int], *, sample_key: pa.Array, score: Any, label: pa.Array
) -> pa.RecordBatch:
    """Rows of a manifest; ``shard_rows`` are the rows of all the dataset's files, in order."""
    first_row = np.concatenate([[0], np.cumsum(shard_rows, dtype=np.uint64)]).astype(np.uint64)
    shard = (np.searchsorted(first_row, rows, side="right") - 1).astype(np.uint32)
    columns = {
        "row_index": rows,
        "shard": shard,
        "row_in_shard": rows - first_row[shard],
        "sample_key": sample_key,
        "score": score,
        "weight": np.ones(len(rows), np.float32),
        "label": label,
    }
    return pa.record_batch(columns, schema=MANIFEST_SCHEMA)


def _every_row(decisions: Decisions) -> Iterator[pa.RecordBatch]:
    """The decisions' rows, a row group at a time."""
    phrases = pa.array([reason.phrase for reason in Reason], pa.string())
    classes = pa.array(decisions.classes, pa.string())
    for rows in _groups(np.arange(len(decisions.kept), dtype=np.uint64)):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        columns = {
            "row_index": rows,
            "sample_key": _keys(decisions, rows),
            "kept": decisions.kept[part],
            "internal_generalization": decisions.internal_generalization[part],
            "score": decisions.score[part],
            "rank": decisions.rank[part],
            "last_round": decisions.last_round[part],
            "reason": pa.DictionaryArray.from_arrays(decisions.reason[part].astype(np.int32), phrases),
            "base_performance": _base(decisions, rows),
            "label": _label(decisions.label[part], classes),
        }
        yield pa.record_batch(columns, schema=DECISIONS_SCHEMA)


def _groups(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), ROWS_PER_GROUP):
        yield rows[start : start + ROWS_PER_GROUP]


def _label(label: Int32[np.ndarray, " rows"], classes: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(label, mask=label < 0), classes)


def _keys(decisions: Decisions, rows: np.ndarray) -> pa.Array:
    if decisions.sample_key is None:
        return pa.nulls(len(rows), pa.string())
    return decisions.sample_key.take(pa.array(rows)).cast(pa.string())


def _base(decisions: Decisions, rows: np.ndarray) -> pa.Array:
    if decisions.base_performance is None:
        return pa.nulls(len(rows), pa.float32())
    return pa.array(decisions.base_performance[rows])


def write_file(path: Path, schema: pa.Schema, *, batches: Iterator[pa.RecordBatch], metadata: ManifestMetadata) -> None:
    """Write the batches to a file that appears under its name only when it is complete."""
    described = schema.with_metadata({METADATA_KEY: metadata.model_dump_json()})
    with _atomically(path) as partial, pq.ParquetWriter(partial, described, **_layout(schema)) as writer:
        for batch in batches:
            writer.write_batch(batch, row_group_size=ROWS_PER_GROUP)


@contextmanager
def _atomically(path: Path) -> Iterator[Path]:
    """A temporary path whose file is renamed to ``path`` when the block has succeeded."""
    partial = path.with_name(path.name + ".partial")
    yield partial
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Parquet options: indices as differences, floats split into byte streams, few-valued text as dictionaries."""
    encodings = {pa.uint64(): "DELTA_BINARY_PACKED", pa.float32(): "BYTE_STREAM_SPLIT"}
    return {
        "compression": "zstd",
        "use_dictionary": [field.name for field in schema if field.type == CATEGORY],
        "column_encoding": {field.name: encodings[field.type] for field in schema if field.type in encodings},
        "write_page_index": True,
        "sorting_columns": pq.SortingColumn.from_ordering(schema, [("row_index", "ascending")]),
    }
