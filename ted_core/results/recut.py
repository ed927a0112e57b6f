"""Derives a manifest for another keep ratio: the ranking of existing decisions is cut elsewhere, without training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int64

from ted_core.errors import ManifestMismatch, RecutUnsuited
from ted_core.plan import PruningPlan
from ted_core.results.decisions import Reason
from ted_core.results.manifest import DECISIONS_SCHEMA, MANIFEST_SCHEMA, read_metadata
from ted_core.results.manifest_writer import ROWS_PER_GROUP, manifest_batch, write_file
from ted_core.results.provenance import ManifestMetadata
from ted_core.selection.feasibility import check_ratio
from ted_core.selection.schedule import select_highest
from ted_core.storage.digests import ContentDigest, combined_digest, indices_digest

RANKED = frozenset({"ted", "random", "el2n", "grand", "forgetting"})
"""Methods whose smaller selections are part of their larger ones. Other selections depend on the keep ratio itself."""


def recut(decisions: Path, *, keep_ratio: float, to: Path) -> ManifestMetadata:
    """Write a manifest to ``to`` and return its metadata. Two calls write the same bytes.

    At the ratio of the decisions it holds exactly the rows that were kept. This needs some 40 bytes per row.

    Raises RecutUnsuited, TooFewRowsKept.
    """
    origin = _origin(decisions)
    plan = PruningPlan.model_validate(origin.plan | {"keep_ratio": keep_ratio})
    if plan.method not in RANKED:
        raise RecutUnsuited(f"Method {plan.method} selects for one keep ratio")
    kept = _kept(decisions, plan)
    metadata = _derived(origin, plan, kept, content=_content(decisions, kept, origin))
    write_file(to, MANIFEST_SCHEMA, batches=_rows(decisions, kept, origin), metadata=metadata)
    return metadata


def _origin(decisions: Path) -> ManifestMetadata:
    try:
        return read_metadata(decisions, DECISIONS_SCHEMA)
    except ManifestMismatch as error:
        raise RecutUnsuited(error.fact) from error


def _kept(decisions: Path, plan: PruningPlan) -> Bool[np.ndarray, " rows"]:
    """The rows of lowest rank, once every class has its floor; undecodable rows belong to no class."""
    table = pq.read_table(decisions, columns=["rank", "reason", "label"])
    usable = pc.not_equal(pc.cast(table["reason"], pa.string()), Reason.UNDECODABLE.phrase).to_numpy()
    labels = _codes(table["label"])[usable]
    check_ratio(plan, rows=len(labels), classes=len(np.unique(labels[labels >= 0])))
    strength = -table["rank"].to_numpy()[usable].astype(np.float64)
    kept = np.zeros(table.num_rows, bool)
    count = plan.rows_kept(len(labels))
    kept[usable] = select_highest(strength, count, labels=labels, class_floor=plan.class_floor)
    return kept


def _codes(labels: pa.ChunkedArray) -> Int64[np.ndarray, " rows"]:
    """A number for each class, -1 for none."""
    codes = labels.unify_dictionaries().combine_chunks().indices
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)).astype(np.int64)


def _derived(
    origin: ManifestMetadata, plan: PruningPlan, kept: Bool[np.ndarray, " rows"], *, content: str
) -> ManifestMetadata:
    changes = {
        "plan": origin.plan | {"keep_ratio": plan.keep_ratio},
        "parent": origin.content_sha256,
        "parent_keep_ratio": origin.plan["keep_ratio"],
        "rows_kept": int(kept.sum()),
        "achieved_ratio": float(kept.mean()),
        "indices_sha256": indices_digest(np.flatnonzero(kept)),
        "content_sha256": content,
    }
    return ManifestMetadata.model_validate(origin.model_dump() | changes)


def _content(decisions: Path, kept: Bool[np.ndarray, " rows"], origin: ManifestMetadata) -> str:
    digest = ContentDigest(MANIFEST_SCHEMA)
    for batch in _rows(decisions, kept, origin):
        digest.update(batch)
    return combined_digest({"manifest": digest})


def _rows(decisions: Path, kept: Bool[np.ndarray, " rows"], origin: ManifestMetadata) -> Iterator[pa.RecordBatch]:
    """The manifest's rows, as many at a time as the decisions have in a row group."""
    shard_rows = [shard.rows for shard in origin.dataset.shards]
    columns = ["row_index", "sample_key", "score", "label"]
    for batch in pq.ParquetFile(decisions).iter_batches(ROWS_PER_GROUP, columns=columns):
        rows = batch["row_index"].to_numpy()
        retained = batch.filter(pa.array(kept[rows]))
        yield manifest_batch(
            retained["row_index"].to_numpy(),
            shard_rows,
            sample_key=retained["sample_key"],
            score=retained["score"],
            label=retained["label"],
        )
