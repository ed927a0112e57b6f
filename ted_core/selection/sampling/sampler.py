"""Retain samples with probability proportional to their score, spread evenly over classes and over easy and hard.

Taking the highest scores outright leaves whole regions of the data without a row, which costs more than the score gains
once half of the rows are gone (docs/decisions/0006-drawn-not-cut.md). So a sample is retained with probability
min(1, c·score), by sequential Poisson sampling (Ohlsson 1998): every sample gets a random number u, and the largest
score/u are retained. A smaller selection is part of a larger one, so one ranking serves every keep ratio.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from ted_core.plan import PruningPlan
from ted_core.selection.sampling.groups import Groups
from ted_core.selection.sampling.highest import select_highest
from ted_core.selection.sampling.probabilities import inclusion_probabilities
from ted_core.selection.sampling.strata import low_discrepancy_numbers
from ted_core.training.divergence import require_finite


@dataclass(frozen=True)
class PoissonSample:
    """The result of sampling once."""

    retained: Bool[np.ndarray, " samples"]
    priority: Float32[np.ndarray, " samples"]
    """score/u; the highest are retained, once every class has its floor."""
    score: Float[np.ndarray, " samples"]
    groups: Int64[np.ndarray, " samples"] | None
    """Those whose samples share a factor; None if all do."""

    @cached_property
    def inclusion_probability(self) -> Float[np.ndarray, " samples"]:
        """The probability with which each sample was to be retained. Raises TrainingDiverged if one is not finite."""
        probability = inclusion_probabilities(self.score, self.retained, groups=self.groups)
        return require_finite(probability, "A row's probability of being kept")


@dataclass(frozen=True)
class PoissonSampler:
    """Samples rows of the same data with the same random numbers each time."""

    labels: Int64[np.ndarray, " samples"]
    plan: PruningPlan

    def sample(
        self, score: Float[np.ndarray, " samples"], order: Float[np.ndarray, " samples"], count: int
    ) -> PoissonSample:
        """Retain ``count`` samples in proportion to their positive score, evenly over classes and along the order.

        If the plan keeps the classes' balance, it is each class's share of them, in proportion to its own scores.

        Raises TrainingDiverged if a score is not finite.
        """
        numbers = low_discrepancy_numbers(self.labels, order, seed=self.plan.seed)
        priority = require_finite((score / numbers).astype(np.float32, copy=False), "A row's score")
        plan = self.plan
        retained = select_highest(
            priority, count, labels=self.labels, class_floor=plan.class_floor, class_balance=plan.class_balance
        )
        return PoissonSample(retained, priority, score, groups=sampling_groups(self.labels, plan))


def sampling_groups(labels: Groups, plan: PruningPlan) -> Groups | None:
    """The groups whose samples share a factor: classes, if these have floors or shares of their own; None for all."""
    by_class = plan.class_floor or plan.class_balance == "keep" or plan.method == "stratified"
    return labels if by_class else None
