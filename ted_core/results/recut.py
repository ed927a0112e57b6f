"""Derives a manifest for another keep ratio: the ranking of existing decisions is cut elsewhere, without training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int64

from ted_core.errors import ManifestMismatch, RecutUnsuited
from ted_core.plan import PruningPlan
from ted_core.results.decisions import Reason
from ted_core.results.manifest import DECISIONS_SCHEMA, MANIFEST_SCHEMA, read_metadata
from ted_core.results.manifest_writer import ROWS_PER_GROUP, floats_of_rows, manifest_batch, write_file
from ted_core.results.provenance import ManifestMetadata
from ted_core.results.selection_warnings import CLASS_CODES, class_warnings
from ted_core.results.weights import weights_of_rows
from ted_core.selection.feasibility import check_ratio
from ted_core.selection.sampling import inclusion_probabilities, sampling_groups
from ted_core.selection.schedule import select_highest
from ted_core.storage.digests import ContentDigest, combined_digest, indices_digest
from ted_core.warnings import JobWarning, distinct

RANKED = frozenset({"ted", "random", "el2n", "grand", "forgetting"})
"""Methods whose smaller selections are part of their larger ones. Other selections depend on the keep ratio itself."""
PROBABILITY = "inclusion_probability"
RAREST = "; of a row with several classes the rarest counts"
"""Decisions name no other."""


def recut(decisions: Path, *, keep_ratio: float, to: Path) -> ManifestMetadata:
    """Write a manifest to ``to`` and return its metadata. Two calls write the same bytes.

    At the ratio of the decisions it holds exactly the rows that were kept. This needs some 40 bytes per row.

    Raises RecutUnsuited, TooFewRowsKept.
    """
    origin = _origin(decisions)
    plan = PruningPlan.model_validate(origin.plan | {"keep_ratio": keep_ratio, "tolerance": None})
    if plan.method not in RANKED:
        raise RecutUnsuited(f"Method {plan.method} selects for one keep ratio")
    cut = _cut(decisions, plan)
    changes = {"warnings": _warnings(decisions, cut.kept, origin), "content_sha256": _content(decisions, cut, origin)}
    metadata = _derived(origin, plan, cut.kept, **changes)
    write_file(to, MANIFEST_SCHEMA, batches=_rows(decisions, cut, origin), metadata=metadata)
    return metadata


def _origin(decisions: Path) -> ManifestMetadata:
    try:
        return read_metadata(decisions, DECISIONS_SCHEMA)
    except ManifestMismatch as error:
        raise RecutUnsuited(error.fact) from error


@dataclass(frozen=True)
class Cut:
    """What the ranking of the decisions makes of another ratio."""

    kept: Bool[np.ndarray, " rows"]
    inclusion_probability: Float32[np.ndarray, " rows"] | None
    """None if chance had no part in it, or the decisions do not tell."""


def _cut(decisions: Path, plan: PruningPlan) -> Cut:
    """The rows of lowest rank, once every class has its floor, or of each class its share.

    Undecodable rows belong to no class.
    """
    table = pq.read_table(decisions, columns=["rank", "reason", "label", "score"])
    usable = pc.not_equal(pc.cast(table["reason"], pa.string()), Reason.UNDECODABLE.phrase).to_numpy()
    labels = _codes(_labels(table))[usable]
    check_ratio(plan, rows=len(labels), classes=len(np.unique(labels[labels >= 0])))
    strength = -table["rank"].to_numpy()[usable].astype(np.float64)
    kept = np.zeros(table.num_rows, bool)
    count = plan.rows_kept(len(labels))
    kept[usable] = select_highest(
        strength, count, labels=labels, class_floor=plan.class_floor, class_balance=plan.class_balance
    )
    if not _is_sampled(decisions):
        return Cut(kept, None)
    score = np.nan_to_num(table["score"].to_numpy()[usable], nan=1.0)
    probability = np.full(len(kept), np.nan, np.float32)
    probability[usable] = inclusion_probabilities(score, kept[usable], groups=sampling_groups(labels, plan))
    return Cut(kept, probability)


def _is_sampled(decisions: Path) -> bool:
    """Whether the decisions say with which probability rows were to be kept."""
    file = pq.ParquetFile(decisions)
    if PROBABILITY not in file.schema_arrow.names:
        return False
    return any(len(batch) > batch[0].null_count for batch in file.iter_batches(ROWS_PER_GROUP, columns=[PROBABILITY]))


def _labels(table: pa.Table) -> pa.DictionaryArray:
    """The classes of all rows, numbered alike in all row groups."""
    return table["label"].unify_dictionaries().combine_chunks()


def _codes(labels: pa.DictionaryArray) -> Int64[np.ndarray, " rows"]:
    """A number for each class, -1 for none."""
    return np.asarray(pc.fill_null(labels.indices, -1).to_numpy(zero_copy_only=False)).astype(np.int64)


def _derived(
    origin: ManifestMetadata, plan: PruningPlan, kept: Bool[np.ndarray, " rows"], **changes: Any
) -> ManifestMetadata:
    changes |= {
        "plan": origin.plan | {"keep_ratio": plan.keep_ratio, "tolerance": None},
        "keep_ratio_choice": None,
        "parent": origin.content_sha256,
        "parent_keep_ratio": origin.asked_ratio,
        "rows_kept": int(kept.sum()),
        "achieved_ratio": float(kept.mean()),
        "indices_sha256": indices_digest(np.flatnonzero(kept)),
    }
    return ManifestMetadata.model_validate(origin.model_dump(exclude={"schema_version"}) | changes)


def _warnings(decisions: Path, kept: Bool[np.ndarray, " rows"], origin: ManifestMetadata) -> tuple[JobWarning, ...]:
    """Those of the decisions, but what they say about classes is said of these rows."""
    labels = _labels(pq.read_table(decisions, columns=["label"]))
    codes, names = _codes(labels), tuple(labels.dictionary.to_pylist())
    counts = (np.bincount(some[some >= 0], minlength=len(names)) for some in (codes, codes[kept]))
    others = (warning for warning in origin.warnings if warning.code not in CLASS_CODES)
    return distinct(others, class_warnings(*counts, classes=names, remark=RAREST))


def _content(decisions: Path, cut: Cut, origin: ManifestMetadata) -> str:
    digest = ContentDigest(MANIFEST_SCHEMA)
    for batch in _rows(decisions, cut, origin):
        digest.update(batch)
    return combined_digest({"manifest": digest})


def _rows(decisions: Path, cut: Cut, origin: ManifestMetadata) -> Iterator[pa.RecordBatch]:
    """The manifest's rows, as many at a time as the decisions have in a row group."""
    shard_rows = [shard.rows for shard in origin.dataset.shards]
    weights = weights_of_rows(cut.kept, cut.inclusion_probability)
    columns = ["row_index", "sample_key", "score", "label"]
    for batch in pq.ParquetFile(decisions).iter_batches(ROWS_PER_GROUP, columns=columns):
        retained = batch.filter(pa.array(cut.kept[batch["row_index"].to_numpy()]))
        rows = retained["row_index"].to_numpy()
        yield manifest_batch(
            rows,
            shard_rows,
            sample_key=retained["sample_key"],
            score=retained["score"],
            inclusion_probability=floats_of_rows(cut.inclusion_probability, rows),
            weight=weights[rows],
            label=retained["label"],
        )
