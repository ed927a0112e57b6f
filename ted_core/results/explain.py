"""The last round → a decision about every row of the dataset, and why."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8, UInt64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.results.decisions import Decisions, Members, Reason
from ted_core.results.provenance import ProxyAccuracy
from ted_core.results.proxy_accuracy import is_believed
from ted_core.results.suspects.suspicion import suspicion
from ted_core.selection.baselines.ccs import hardest
from ted_core.selection.baselines.common import Quota
from ted_core.selection.distance import turning_point
from ted_core.selection.rounds import Round
from ted_core.selection.sampling.parts import parts
from ted_core.selection.sampling.ranking import best_first


def decide(
    final: Round,
    samples: Samples,
    plan: PruningPlan,
    *,
    base: Float32[np.ndarray, " samples"] | None = None,
    accuracy: ProxyAccuracy | None = None,
) -> Decisions:
    """Decide about every row of the dataset; undecodable rows are pruned and rank last.

    ``base`` is each sample's performance under the pretrained model, before any training. If the proxy has not learned,
    why rows were pruned is unknown.
    """
    reasons = _reasons(final, samples, plan)
    if not is_believed(accuracy):
        reasons = _without_judgements(reasons)
    return Decisions(
        kept=_scattered(final.retained, samples, fill=False),
        inclusion_probability=_scattered_if_any(final.inclusion_probability, samples),
        margin=_scattered_if_any(final.margin, samples),
        likeliest=_likeliest(final, samples),
        suspicion=_scattered_if_any(suspicion(final, samples), samples),
        internal_generalization=_scattered(final.internal_generalization, samples, fill=np.nan),
        score=_scattered(final.score, samples, fill=np.nan),
        rank=_ranks(final, samples),
        last_round=_scattered(final.last_round, samples, fill=0),
        reason=_scattered(reasons, samples, fill=Reason.UNDECODABLE),
        label=_scattered(_labels(samples), samples, fill=-1),
        classes=samples.classes,
        sample_key=samples.sample_key,
        base_performance=_scattered_if_any(base, samples),
        members=_members(samples) if samples.multi_label else None,
    )


def _labels(samples: Samples) -> Int32[np.ndarray, " samples"]:
    """Each sample's class: the rarest if it has several, -1 if it has none."""
    return np.where(samples.groups < len(samples.classes), samples.groups.astype(np.int32), np.int32(-1))


def _likeliest(final: Round, samples: Samples) -> Int32[np.ndarray, " rows"] | None:
    classes = final.predictions.likeliest if final.predictions else None
    return None if classes is None else _scattered(classes.astype(np.int32), samples, fill=-1)


def _members(samples: Samples) -> Members:
    sample, label = samples.labels.nonzero()
    return Members(samples.row_index[sample].astype(np.int64), label.astype(np.int32))


def _scattered(values: np.ndarray, samples: Samples, *, fill: object) -> np.ndarray:
    """One value per dataset row, ``fill`` for the rows that are no samples; the values themselves if all rows are."""
    if len(samples) == samples.rows:
        return values
    rows = np.full(samples.rows, fill, values.dtype)
    rows[samples.row_index] = values
    return rows


def _scattered_if_any(
    values: Float[np.ndarray, " samples"] | None, samples: Samples
) -> Float32[np.ndarray, " rows"] | None:
    """The same of values that there may be none of, NaN for the rows that are no samples."""
    return None if values is None else _scattered(values.astype(np.float32, copy=False), samples, fill=np.nan)


def _ranks(final: Round, samples: Samples) -> UInt64[np.ndarray, " rows"]:
    """Kept rows first, then pruned ones, each by decreasing priority, then by row: lower ranks are kept longer."""
    own, order = np.empty(len(samples), np.uint64), best_first(_priority(final), final.retained)
    for part in parts(len(samples)):
        own[order[part]] = np.arange(part.start, part.stop)
    ranks = _scattered(own, samples, fill=0)
    if len(samples) < samples.rows:
        undecodable = np.ones(samples.rows, bool)
        undecodable[samples.row_index] = False
        ranks[undecodable] = np.arange(len(samples), samples.rows, dtype=np.uint64)
    return ranks


def _priority(final: Round) -> Float32[np.ndarray, " samples"]:
    ranking = final.score if final.priority is None else final.priority
    return np.nan_to_num(ranking.astype(np.float32, copy=False), nan=-np.inf)


def _reasons(final: Round, samples: Samples, plan: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    if final.rule is None or final.rule == "random":
        pruned = WHY_PRUNED.get(plan.method, _not_drawn)(final, samples, plan)
    else:
        pruned = _by_generalization(final)
    kept = _either(_on_merit(final, plan), Reason.KEPT, Reason.CLASS_FLOOR)
    return np.where(final.retained, kept, pruned)


def _either(condition: Bool[np.ndarray, " samples"], yes: Reason, no: Reason) -> UInt8[np.ndarray, " samples"]:
    """One of two reasons for each sample."""
    return np.where(condition, np.uint8(yes), np.uint8(no))


def _without_judgements(reasons: UInt8[np.ndarray, " samples"]) -> UInt8[np.ndarray, " samples"]:
    """The reasons, but unknown where they rest on what the proxy has learned."""
    judged = np.isin(reasons, [Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED])
    return np.where(judged, np.uint8(Reason.UNKNOWN), reasons)


def _on_merit(final: Round, plan: PruningPlan) -> Bool[np.ndarray, " samples"]:
    """The samples that would be retained without a class floor, including all that tie.

    Where each class has its share, a floor, which is no larger, adds nothing.
    """
    if plan.class_balance == "keep":
        return np.ones(len(final.retained), bool)
    priority, pruned = _priority(final), int((~final.retained).sum())
    return np.asarray(priority >= np.partition(priority, pruned)[pruned])


def _by_generalization(final: Round) -> UInt8[np.ndarray, " samples"]:
    """Pruned rows with at least the mean inclusion probability were not drawn; the others were pruned for a reason."""
    assert final.inclusion_probability is not None, "rows that a score ranked are sampled"  # noqa: S101
    assert final.order is not None, "what a score follows was measured"  # noqa: S101
    redundant = final.order >= _highest_score(final.score, final.order, final.q)
    reason = _either(redundant, Reason.WELL_GENERALIZED, Reason.POORLY_GENERALIZED)
    mean = final.inclusion_probability.mean(dtype=np.float64)
    return np.where(final.inclusion_probability >= mean, np.uint8(Reason.RANDOM), reason)


def _highest_score(
    score: Float32[np.ndarray, " samples"], order: Float32[np.ndarray, " samples"], q: float | None
) -> float:
    """Where along the order the score is highest; with an exponent that is known, whatever the gradients are."""
    return float(order[np.argmax(score)]) if q is None else turning_point(q)


def _not_drawn(final: Round, _: Samples, __: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    return np.full(len(final.retained), Reason.RANDOM, np.uint8)


def _scored_lower(final: Round, _: Samples, __: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    return np.full(len(final.retained), Reason.SCORED_LOWER, np.uint8)


def _cut_or_not_drawn(final: Round, samples: Samples, plan: PruningPlan) -> UInt8[np.ndarray, " samples"]:
    """CCS cuts off the lowest scores and samples from the rest."""
    return _either(hardest(final.score, Quota.of(samples, plan)), Reason.SCORED_LOWER, Reason.RANDOM)


WHY_PRUNED = {
    "el2n": _scored_lower,
    "grand": _scored_lower,
    "forgetting": _scored_lower,
    "ccs": _cut_or_not_drawn,
}
"""The reasons for pruning if no performance ranked the rows; with every other method they were not drawn."""
