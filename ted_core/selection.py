"""The last round → a decision about every row of the dataset, and why."""

import numpy as np
from jaxtyping import Bool, UInt8, UInt64

from ted_core.datasets import Samples
from ted_core.decisions import Decisions, Reason
from ted_core.distance import turning_point
from ted_core.plan import PruningPlan
from ted_core.rounds import Round


def decisions(final: Round, samples: Samples, plan: PruningPlan) -> Decisions:
    """What became of every dataset row; undecodable rows are pruned and rank last."""
    return Decisions(
        kept=_scattered(final.retained, samples, fill=False),
        internal_generalization=_scattered(final.internal_generalization, samples, fill=np.nan),
        score=_scattered(final.score, samples, fill=np.nan),
        rank=_ranks(final, samples),
        last_round=_scattered(final.last_round, samples, fill=0),
        reason=_scattered(_reasons(final, samples, plan), samples, fill=Reason.UNDECODABLE),
        label=_scattered(samples.labels.astype(np.int32), samples, fill=-1),
        classes=samples.classes,
        sample_key=samples.sample_key,
    )


def _scattered(values: np.ndarray, samples: Samples, *, fill: object) -> np.ndarray:
    """One value per dataset row, ``fill`` for the rows that are no samples."""
    rows = np.full(samples.rows, fill, values.dtype)
    rows[samples.row_index] = values
    return rows


def _ranks(final: Round, samples: Samples) -> UInt64[np.ndarray, " rows"]:
    """Kept rows first, each group by falling score and then by row: cutting at another ratio is taking the lowest."""
    score = np.nan_to_num(final.score, nan=-np.inf)
    order = np.lexsort((samples.row_index, -score, ~final.retained))
    undecodable = np.setdiff1d(np.arange(samples.rows, dtype=np.uint64), samples.row_index)
    ranks = np.empty(samples.rows, np.uint64)
    ranks[np.concatenate([samples.row_index[order], undecodable])] = np.arange(samples.rows, dtype=np.uint64)
    return ranks


def _reasons(final: Round, samples: Samples, plan: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    if plan.method == "random":
        return np.where(final.retained, Reason.KEPT, Reason.RANDOM).astype(np.uint8)
    redundant = final.internal_generalization >= turning_point(plan.effective_q)
    pruned = np.where(redundant, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED)
    kept = np.where(_on_merit(final), Reason.KEPT, Reason.CLASS_FLOOR)
    return np.where(final.retained, kept, pruned).astype(np.uint8)


def _on_merit(final: Round) -> Bool[np.ndarray, " samples"]:
    """The samples that would be retained were there no class floor.

    All that tie count: the loop ranks in float64, and what differs there may be equal in the float32 that is kept.
    """
    lowest = np.sort(final.score)[-int(final.retained.sum())]
    return np.asarray(final.score >= lowest)
