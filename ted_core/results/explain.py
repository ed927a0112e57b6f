"""The last round → a decision about every row of the dataset, and why."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, UInt8, UInt64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.results.decisions import Decisions, Members, Reason
from ted_core.selection.baselines.ccs import hardest
from ted_core.selection.baselines.common import Quota
from ted_core.selection.distance import turning_point
from ted_core.selection.rounds import Round


def decide(
    final: Round, samples: Samples, plan: PruningPlan, *, base: Float32[np.ndarray, " samples"] | None = None
) -> Decisions:
    """Decide about every row of the dataset; undecodable rows are pruned and rank last.

    ``base`` is each sample's performance under the pretrained model, before any training.
    """
    return Decisions(
        kept=_scattered(final.retained, samples, fill=False),
        internal_generalization=_scattered(final.internal_generalization, samples, fill=np.nan),
        score=_scattered(final.score, samples, fill=np.nan),
        rank=_ranks(final, samples),
        last_round=_scattered(final.last_round, samples, fill=0),
        reason=_scattered(_reasons(final, samples, plan), samples, fill=Reason.UNDECODABLE),
        label=_scattered(_labels(samples), samples, fill=-1),
        classes=samples.classes,
        sample_key=samples.sample_key,
        base_performance=None if base is None else _scattered(base, samples, fill=np.nan),
        members=_members(samples) if samples.multi_label else None,
    )


def _labels(samples: Samples) -> Int32[np.ndarray, " samples"]:
    """Each sample's class: the rarest if it has several, -1 if it has none."""
    return np.where(samples.groups < len(samples.classes), samples.groups, -1).astype(np.int32)


def _members(samples: Samples) -> Members:
    sample, label = samples.labels.nonzero()
    return Members(samples.row_index[sample].astype(np.int64), label.astype(np.int32))


def _scattered(values: np.ndarray, samples: Samples, *, fill: object) -> np.ndarray:
    """One value per dataset row, ``fill`` for the rows that are no samples."""
    rows = np.full(samples.rows, fill, values.dtype)
    rows[samples.row_index] = values
    return rows


def _ranks(final: Round, samples: Samples) -> UInt64[np.ndarray, " rows"]:
    """Kept rows first, then pruned ones, each by decreasing priority, then by row: lower ranks are kept longer."""
    order = np.lexsort((samples.row_index, -_priority(final), ~final.retained))
    undecodable = np.setdiff1d(np.arange(samples.rows, dtype=np.uint64), samples.row_index)
    ranks = np.empty(samples.rows, np.uint64)
    ranks[np.concatenate([samples.row_index[order], undecodable])] = np.arange(samples.rows, dtype=np.uint64)
    return ranks


def _priority(final: Round) -> Float[np.ndarray, " samples"]:
    ranking = final.score if final.priority is None else final.priority
    return np.asarray(np.nan_to_num(ranking, nan=-np.inf))


def _reasons(final: Round, samples: Samples, plan: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    if final.q is None:
        pruned = WHY_PRUNED.get(plan.method, _not_drawn)(final, samples, plan)
    else:
        pruned = _by_generalization(final, final.q)
    kept = np.where(_on_merit(final), Reason.KEPT, Reason.CLASS_FLOOR)
    return np.where(final.retained, kept, pruned).astype(np.uint8)


def _on_merit(final: Round) -> Bool[np.ndarray, " samples"]:
    """The samples that would be retained without a class floor, including all that tie."""
    priority = _priority(final)
    return np.asarray(priority >= np.sort(priority)[-int(final.retained.sum())])


def _by_generalization(final: Round, q: float) -> Int64[np.ndarray, " samples"]:
    """Pruned rows with at least the mean inclusion probability were not drawn; the others were pruned for a reason."""
    assert final.inclusion_probability is not None, "rows that have an exponent are sampled"  # noqa: S101
    redundant = final.internal_generalization >= turning_point(q)
    reason = np.where(redundant, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED)
    return np.where(final.inclusion_probability >= final.inclusion_probability.mean(), Reason.RANDOM, reason)


def _not_drawn(final: Round, _: Samples, __: PruningPlan) -> Int64[np.ndarray, " samples"]:
    return np.full(len(final.retained), int(Reason.RANDOM))


def _scored_lower(final: Round, _: Samples, __: PruningPlan) -> Int64[np.ndarray, " samples"]:
    return np.full(len(final.retained), int(Reason.SCORED_LOWER))


def _cut_or_not_drawn(final: Round, samples: Samples, plan: PruningPlan) -> Int64[np.ndarray, " samples"]:
    """CCS cuts off the lowest scores and samples from the rest."""
    return np.where(hardest(final.score, Quota.of(samples, plan)), Reason.SCORED_LOWER, Reason.RANDOM)


WHY_PRUNED = {
    "el2n": _scored_lower,
    "grand": _scored_lower,
    "forgetting": _scored_lower,
    "ccs": _cut_or_not_drawn,
}
"""The reasons for pruning if no performance ranked the rows; with every other method they were not drawn."""
