"""What the rivals share: how many rows they are to keep, and the one round that they yield."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.selection.random import DRAWS, tie_broken_ranks, uniform_numbers
from ted_core.selection.rounds import Round
from ted_core.selection.schedule import select_highest
from ted_core.selection.training_dynamics import TrainingCost

NO_TRAINING_COST = TrainingCost(train_loss=None, samples_trained=0, samples_measured=0)


@dataclass(frozen=True)
class Quota:
    """How many samples are to be kept, whose labels, and the seed of what is left to chance."""

    count: int
    labels: Int64[np.ndarray, " samples"]
    seed: int
    class_floor: float = 0.0

    @classmethod
    def of(cls, samples: Samples, plan: PruningPlan) -> "Quota":
        """What the plan asks of these samples."""
        return cls(plan.rows_kept(len(samples)), samples.groups, plan.seed, plan.class_floor)

    @property
    def keep_ratio(self) -> float:
        """The share that is kept, after rounding to whole samples."""
        return self.count / len(self.labels)


def top_rows(priority: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """The samples of highest priority, once every class has its floor."""
    return select_highest(priority, quota.count, labels=quota.labels, class_floor=quota.class_floor)


def highest_rows(score: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """The samples of highest score, once every class has its floor; where scores tie, lots decide."""
    return top_rows(tie_broken_ranks(score, seed=quota.seed), quota)


def sample_per_group(
    group: Int64[np.ndarray, " samples"], budgets: Int64[np.ndarray, " groups"], *, seed: int
) -> Bool[np.ndarray, " samples"]:
    """Of each group as many random members as its budget says, or all where it has fewer."""
    order = np.lexsort((uniform_numbers(len(group), seed=seed, use=DRAWS), group))
    first = np.searchsorted(group[order], np.arange(len(budgets)))
    turn = np.arange(len(group)) - first[group[order]]
    drawn = np.zeros(len(group), bool)
    drawn[order] = turn < budgets[group[order]]
    return drawn


def final_round(
    priority: Float[np.ndarray, " samples"],
    quota: Quota,
    *,
    score: Float32[np.ndarray, " samples"] | None = None,
    effort: TrainingCost = NO_TRAINING_COST,
) -> Round:
    """The only round of a method that scores once, or draws without a score. Internal generalization it has none."""
    retained = top_rows(priority, quota)
    unmeasured = np.full(len(priority), np.nan, np.float32)
    return Round(
        number=1,
        rounds=1,
        retained=retained,
        score=unmeasured if score is None else score,
        internal_generalization=unmeasured,
        last_round=retained.astype(np.uint16),
        priority=priority,
        **vars(effort),
    )
