"""Retain samples with probability proportional to their score, spread evenly over classes and over easy and hard.

Taking the highest scores outright leaves whole regions of the data without a row, which costs more than the score gains
once half of the rows are gone (docs/decisions/0006-drawn-not-cut.md). So a sample is retained with probability
min(1, c·score), by sequential Poisson sampling (Ohlsson 1998): every sample gets a random number u, and the largest
score/u are retained. A smaller selection is part of a larger one, so one ranking serves every keep ratio.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64

from ted_core.plan import PruningPlan
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.schedule import select_highest
from ted_core.training.divergence import require_finite

GOLDEN = (5**0.5 - 1) / 2
SMALLEST_NUMBER = 1e-12


@dataclass(frozen=True)
class PoissonSample:
    """The result of sampling once."""

    retained: Bool[np.ndarray, " samples"]
    priority: Float[np.ndarray, " samples"]
    """score/u; the highest are retained, once every class has its floor."""
    score: Float[np.ndarray, " samples"]
    groups: Int64[np.ndarray, " samples"]
    """Those whose samples share a factor."""

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
        priority = require_finite(score / numbers, "A row's score")
        plan = self.plan
        retained = select_highest(
            priority, count, labels=self.labels, class_floor=plan.class_floor, class_balance=plan.class_balance
        )
        return PoissonSample(retained, priority, score, groups=sampling_groups(self.labels, plan))


def low_discrepancy_numbers(
    labels: Int64[np.ndarray, " samples"], order: Float[np.ndarray, " samples"], *, seed: int
) -> Float[np.ndarray, " samples"]:
    """A number in (0, 1) for each sample, evenly spread within every class and every stretch of the order.

    Along the samples by class, then by ``order`` (from hard to easy), the numbers follow the golden-ratio sequence, any
    stretch of which is spread almost as evenly as can be (Weyl 1916). With equal scores, what is retained is therefore
    a random sample that is stratified by class and along the order.
    """
    rng = stream_rng(seed, Stream.POISSON_SAMPLING)
    places = np.lexsort((rng.random(len(labels)), order, labels))
    numbers = np.empty(len(labels))
    numbers[places] = (np.arange(len(labels)) * GOLDEN + rng.random()) % 1
    return np.maximum(numbers, SMALLEST_NUMBER)


def inclusion_probabilities(
    score: Float[np.ndarray, " samples"],
    retained: Bool[np.ndarray, " samples"],
    *,
    groups: Int64[np.ndarray, " samples"],
) -> Float[np.ndarray, " samples"]:
    """The probability with which each sample was to be retained: min(1, c·score).

    The factor c is that of the sample's group (its class, if classes have floors or shares of their own); the group's
    probabilities add up to the number of its samples that are retained (Ohlsson 1998).
    """
    by_group = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.unique(groups, return_counts=True)[1])
    probability = np.zeros(len(score))
    for own in np.split(by_group, ends[:-1]):
        probability[own] = _proportional(score[own], int(retained[own].sum()))
    return probability


def sampling_groups(labels: Int64[np.ndarray, " samples"], plan: PruningPlan) -> Int64[np.ndarray, " samples"]:
    """The group whose samples share a factor: each class if classes have floors or shares of their own, or all."""
    by_class = plan.class_floor or plan.class_balance == "keep" or plan.method == "stratified"
    return labels if by_class else np.zeros_like(labels)


def _proportional(score: Float[np.ndarray, " samples"], count: int) -> Float[np.ndarray, " samples"]:
    """Probabilities in proportion to positive scores, at most 1, that add up to ``count``."""
    if count == 0 or count >= len(score):
        return np.full(len(score), float(count > 0))
    highest_first = np.sort(score)[::-1]
    rest = np.cumsum(highest_first[::-1], dtype=np.float64)[::-1]  # of each score and all lower ones
    left = count - np.arange(count)  # to be retained beside those that are certain
    factors = left / rest[:count]
    certain = int(np.argmax(factors * highest_first[:count] <= 1)) if count > 1 else 0
    return np.asarray(np.minimum(score * factors[certain], 1))
