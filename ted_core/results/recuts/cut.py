"""Where a ranking is cut for a keep ratio, and the rows of the manifest that follow from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Integer, UInt64

from ted_core.plan import PruningPlan
from ted_core.results.manifest_writer import manifest_batch
from ted_core.results.recuts.usable_rows import UsableRows, batches, scores_of
from ted_core.results.weights import mean_inverse, truncated_inverse
from ted_core.selection.sampling.highest import class_quotas, select_first
from ted_core.selection.sampling.parts import parts
from ted_core.selection.sampling.probabilities import ScoreFactors, all_alike
from ted_core.selection.sampling.sampler import sampling_groups


@dataclass(frozen=True)
class Chances:
    """The factors that make probabilities of scores, and the mean inverse probability of the kept rows."""

    factors: ScoreFactors
    mean_inverse: float


@dataclass(frozen=True)
class Cut:
    """What the ranking of the decisions makes of another ratio."""

    kept: Bool[np.ndarray, " rows"]
    usable: UsableRows
    by_class: bool
    """Whether each class has a factor of its own."""
    chances: Chances | None
    """None if chance had no part in it, or the decisions do not tell."""

    def manifest_rows(self, decisions: Path, shard_rows: list[int]) -> Iterator[pa.RecordBatch]:
        """The manifest's rows, as many at a time as the decisions have in a row group."""
        for batch in batches(decisions, "row_index", "sample_key", "score", "label"):
            retained = batch.filter(pa.array(self.kept[batch["row_index"].to_numpy()]))
            probability = self._probability(retained)
            yield manifest_batch(
                retained["row_index"].to_numpy(),
                shard_rows,
                sample_key=retained["sample_key"],
                score=retained["score"],
                inclusion_probability=pa.nulls(len(retained), pa.float32()) if probability is None else probability,
                weight=self._weight(retained, probability),
                label=retained["label"],
            )

    def _probability(self, batch: pa.RecordBatch) -> Float32[np.ndarray, " rows"] | None:
        if self.chances is None:
            return None
        groups = self.usable.classes.numbers(batch["label"]) if self.by_class else all_alike(len(batch))
        return self.chances.factors.probability(scores_of(batch), groups).astype(np.float32)

    def _weight(
        self, batch: pa.RecordBatch, probability: Float32[np.ndarray, " rows"] | None
    ) -> Float32[np.ndarray, " rows"]:
        if self.chances is None or probability is None:
            return np.ones(len(batch), np.float32)
        return (truncated_inverse(probability) / self.chances.mean_inverse).astype(np.float32)


def cut_at(plan: PruningPlan, usable: UsableRows, decisions: Path, *, is_sampled: bool) -> Cut:
    """The rows of lowest rank, once every class has its floor, or of each class its share.

    Rows without a class count as a class; undecodable rows are never kept.
    """
    own = _lowest_ranks(usable, decisions, plan)
    by_class = sampling_groups(usable.label, plan) is not None
    groups = usable.label if by_class else all_alike(len(usable))
    chances = _chances(usable.score, own, groups) if is_sampled else None
    kept = usable.are_usable.copy()
    kept[kept] = own
    return Cut(kept, usable, by_class, chances)


def _lowest_ranks(usable: UsableRows, decisions: Path, plan: PruningPlan) -> Bool[np.ndarray, " usable"]:
    """The usable rows are ranked before all others, so that what stands in the order of ranks has no gaps."""
    count, by_rank = plan.rows_kept(len(usable)), np.empty_like(usable.label)
    for rows, rank in _ranks(usable, decisions):
        by_rank[rank] = usable.label[rows]
    quotas = class_quotas(usable.label, count, plan.class_floor, plan.class_balance)
    are_first = select_first(count, labels=by_rank, quotas=quotas)
    del by_rank
    kept = np.empty(len(usable), bool)
    for rows, rank in _ranks(usable, decisions):
        kept[rows] = are_first[rank]
    return kept


def _ranks(usable: UsableRows, decisions: Path) -> Iterator[tuple[slice, UInt64[np.ndarray, " some"]]]:
    """Some of the usable rows at a time, and their ranks."""
    row, end = 0, 0
    for batch in batches(decisions, "rank"):
        row, are_usable = row + len(batch), usable.are_usable[row : row + len(batch)]
        rank = batch["rank"].to_numpy()[are_usable]
        start, end = end, end + len(rank)
        yield slice(start, end), rank


def _chances(
    score: Float32[np.ndarray, " usable"],
    kept: Bool[np.ndarray, " usable"],
    groups: Integer[np.ndarray, " usable"],
) -> Chances:
    factors = ScoreFactors.of(score, kept, groups=groups)
    probabilities = (factors.probability(score[part], groups[part]).astype(np.float32) for part in parts(len(kept)))
    chosen = (probability[kept[part]] for probability, part in zip(probabilities, parts(len(kept)), strict=True))
    return Chances(factors, mean_inverse(chosen))
