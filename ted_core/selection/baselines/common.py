"""What baselines share: how many rows to keep, and the one round that they yield."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from ted_core.datasets import Samples
from ted_core.plan import ClassBalance, PruningPlan
from ted_core.random_streams import Stream
from ted_core.selection.baselines.training_dynamics import TrainingCost
from ted_core.selection.random import tie_broken_ranks, uniform_numbers
from ted_core.selection.rounds import Round
from ted_core.selection.sampling.highest import select_highest
from ted_core.training.divergence import require_finite

NO_TRAINING_COST = TrainingCost(train_loss=None, samples_trained=0, samples_measured=0)


@dataclass(frozen=True)
class Quota:
    """How many samples to keep, their labels, and the seed of every random choice."""

    count: int
    labels: Int64[np.ndarray, " samples"]
    seed: int
    class_floor: float = 0.0
    class_balance: ClassBalance = "free"

    @classmethod
    def of(cls, samples: Samples, plan: PruningPlan) -> "Quota":
        """What the plan requires of these samples."""
        return cls(plan.rows_kept(len(samples)), samples.groups, plan.seed, plan.class_floor, plan.class_balance)

    @property
    def keep_ratio(self) -> float:
        """The share that is kept, after rounding to whole samples."""
        return self.count / len(self.labels)


def top_rows(priority: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """The samples of highest priority, once every class has its floor, or of each class its share."""
    return select_highest(
        priority,
        quota.count,
        labels=quota.labels,
        class_floor=quota.class_floor,
        class_balance=quota.class_balance,
    )


def highest_rows(score: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """The samples of highest score, once every class has its floor; ties are broken at random."""
    return top_rows(tie_broken_ranks(score, seed=quota.seed), quota)


def sample_per_group(
    group: Int64[np.ndarray, " samples"], budgets: Int64[np.ndarray, " groups"], *, seed: int
) -> Bool[np.ndarray, " samples"]:
    """Select at random as many members of each group as its budget, or all if it has fewer."""
    numbers = uniform_numbers(len(group), seed=seed, stream=Stream.GROUP_SAMPLING)
    order = np.lexsort((numbers, group))
    first = np.searchsorted(group[order], np.arange(len(budgets)))
    place = np.arange(len(group)) - first[group[order]]
    sampled = np.zeros(len(group), bool)
    sampled[order] = place < budgets[group[order]]
    return sampled


def final_round(
    priority: Float[np.ndarray, " samples"],
    quota: Quota,
    *,
    score: Float32[np.ndarray, " samples"] | None = None,
    cost: TrainingCost = NO_TRAINING_COST,
) -> Round:
    """The only round of a method that scores once or not at all; it has no internal generalization.

    Raises TrainingDiverged if what ranks the rows is not finite.
    """
    priority = require_finite(priority, "A row's priority").astype(np.float32)  # what ranks rows decides about them
    retained = top_rows(priority, quota)
    unmeasured = np.full(len(priority), np.nan, np.float32)
    return Round(
        number=1,
        rounds=1,
        retained=retained,
        score=unmeasured if score is None else require_finite(score, "A row's score"),
        internal_generalization=unmeasured,
        last_round=retained.astype(np.uint16),
        priority=priority,
        **vars(cost),
    )
