"""Derives a manifest for another keep ratio: the ranking of existing decisions is cut elsewhere, without training."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Bool, Integer

from ted_core.errors import ManifestMismatch, RecutUnsuited
from ted_core.plan import PruningPlan
from ted_core.results.manifest import DECISIONS_SCHEMA, MANIFEST_SCHEMA, read_metadata
from ted_core.results.manifest_writer import new_file
from ted_core.results.provenance import ManifestMetadata
from ted_core.results.recuts.cut import Cut, cut_at
from ted_core.results.recuts.usable_rows import UsableRows, batches, read_usable_rows
from ted_core.results.selection_warnings import CLASS_CODES, class_warnings
from ted_core.selection.feasibility import check_ratio
from ted_core.selection.sampling.parts import parts
from ted_core.storage.digests import ContentDigest, combined_digest
from ted_core.warnings import JobWarning, distinct

RANKED = frozenset({"ted", "random", "el2n", "grand", "forgetting"})
"""Methods whose smaller selections are part of their larger ones. Other selections depend on the keep ratio itself."""
PROBABILITY = "inclusion_probability"
RAREST = "; of a row with several classes the rarest counts"
"""Decisions name no other."""


def recut(decisions: Path, *, keep_ratio: float, to: Path) -> ManifestMetadata:
    """Write a manifest to ``to`` and return its metadata. Two calls write the same bytes.

    At the ratio of the decisions it holds exactly the rows that were kept. The decisions are read several times, some
    rows at a time; beside these it needs 8 bytes per row, and 2 more where there are more than 255 classes.

    Raises RecutUnsuited, TooFewRowsKept.
    """
    origin = _origin(decisions)
    plan = PruningPlan.model_validate(origin.plan | {"keep_ratio": keep_ratio, "tolerance": None})
    if plan.method not in RANKED:
        raise RecutUnsuited(f"Method {plan.method} selects for one keep ratio")
    usable = read_usable_rows(decisions)
    check_ratio(plan, rows=len(usable), classes=int(np.count_nonzero(_class_sizes(usable))))
    cut = cut_at(plan, usable, decisions, is_sampled=_is_sampled(decisions))
    with new_file(to, MANIFEST_SCHEMA) as manifest:
        manifest.write(cut.manifest_rows(decisions, [shard.rows for shard in origin.dataset.shards]))
        metadata = _derived(origin, plan, cut, digest=manifest.digest)
        manifest.describe(metadata)
    return metadata


def _origin(decisions: Path) -> ManifestMetadata:
    try:
        return read_metadata(decisions, DECISIONS_SCHEMA)
    except ManifestMismatch as error:
        raise RecutUnsuited(error.fact) from error


def _is_sampled(decisions: Path) -> bool:
    """Whether the decisions say with which probability rows were to be kept."""
    if PROBABILITY not in pq.ParquetFile(decisions).schema_arrow.names:
        return False
    return any(len(batch) > batch[0].null_count for batch in batches(decisions, PROBABILITY))


def _derived(origin: ManifestMetadata, plan: PruningPlan, cut: Cut, *, digest: ContentDigest) -> ManifestMetadata:
    changes = {
        "plan": origin.plan | {"keep_ratio": plan.keep_ratio, "tolerance": None},
        "keep_ratio_choice": None,
        "parent": origin.content_sha256,
        "parent_keep_ratio": origin.asked_ratio,
        "rows_kept": int(cut.kept.sum()),
        "achieved_ratio": float(cut.kept.mean()),
        "indices_sha256": digest.of_numbers("row_index"),
        "warnings": _warnings(cut, origin),
        "content_sha256": combined_digest({"manifest": digest}),
    }
    return ManifestMetadata.model_validate(origin.model_dump(exclude={"schema_version"}) | changes)


def _warnings(cut: Cut, origin: ManifestMetadata) -> tuple[JobWarning, ...]:
    """Those of the decisions, but what they say about classes is said of these rows."""
    kept = cut.kept[cut.usable.are_usable]
    counts = _class_sizes(cut.usable), _class_sizes(cut.usable, kept)
    others = (warning for warning in origin.warnings if warning.code not in CLASS_CODES)
    return distinct(others, class_warnings(*counts, classes=cut.usable.classes.names, remark=RAREST))


def _class_sizes(
    usable: UsableRows, among: Bool[np.ndarray, " usable"] | None = None
) -> Integer[np.ndarray, " classes"]:
    """How many usable rows each class has, or how many of some."""
    sizes = np.zeros(len(usable.classes.names) + 1, np.int64)
    for part in parts(len(usable)):
        own = usable.label[part] if among is None else usable.label[part][among[part]]
        sizes += np.bincount(own, minlength=len(sizes))
    return sizes[1:]
