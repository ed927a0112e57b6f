"""Retain samples with probability proportional to their score, spread evenly over classes and over easy and hard.

Taking the highest scores outright leaves whole regions of the data without a row, which costs more than the score gains
once half of the rows are gone (docs/decisions/0006-drawn-not-cut.md). So a sample is retained with probability
min(1, c·score), by sequential Poisson sampling (Ohlsson 1998): every sample gets a random number u, and the largest
score/u are retained. A smaller selection is part of a larger one, so one ranking serves every keep ratio.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from ted_core.plan import PruningPlan
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.schedule import select_highest

GOLDEN = (5**0.5 - 1) / 2
SMALLEST_NUMBER = 1e-12


@dataclass(frozen=True)
class PoissonSample:
    """The result of sampling once."""

    retained: Bool[np.ndarray, " samples"]
    priority: Float[np.ndarray, " samples"]
    """score/u; the highest are retained, once every class has its floor."""
    inclusion_probability: Float[np.ndarray, " samples"]
    """The probability with which each sample was to be retained."""


@dataclass(frozen=True)
class PoissonSampler:
    """Samples rows of the same data with the same random numbers each time."""

    labels: Int64[np.ndarray, " samples"]
    plan: PruningPlan

    def sample(
        self, score: Float[np.ndarray, " samples"], performance: Float[np.ndarray, " samples"], count: int
    ) -> PoissonSample:
        """Retain ``count`` samples in proportion to their positive score, evenly over classes and over performance."""
        priority = score / low_discrepancy_numbers(self.labels, performance, seed=self.plan.seed)
        retained = select_highest(priority, count, labels=self.labels, class_floor=self.plan.class_floor)
        groups = self.labels if self.plan.class_floor else np.zeros_like(self.labels)
        return PoissonSample(retained, priority, inclusion_probabilities(score, priority, retained, groups=groups))


def low_discrepancy_numbers(
    labels: Int64[np.ndarray, " samples"], performance: Float[np.ndarray, " samples"], *, seed: int
) -> Float[np.ndarray, " samples"]:
    """A number in (0, 1) for each sample, evenly spread within every class and every stretch of performance.

    Along the samples in order of class and performance the numbers follow the golden-ratio sequence, any stretch of
    which is spread almost as evenly as can be (Weyl 1916). With equal scores, what is retained is therefore a random
    sample that is stratified by class and by performance.
    """
    rng = stream_rng(seed, Stream.POISSON_SAMPLING)
    order = np.lexsort((rng.random(len(labels)), performance, labels))
    numbers = np.empty(len(labels))
    numbers[order] = (np.arange(len(labels)) * GOLDEN + rng.random()) % 1
    return np.maximum(numbers, SMALLEST_NUMBER)


def inclusion_probabilities(
    score: Float[np.ndarray, " samples"],
    priority: Float[np.ndarray, " samples"],
    retained: Bool[np.ndarray, " samples"],
    *,
    groups: Int64[np.ndarray, " samples"],
) -> Float[np.ndarray, " samples"]:
    """The probability with which each sample was to be retained: min(1, score/threshold).

    The threshold is the lowest priority that is retained in the sample's group: its class, if classes have floors.
    """
    thresholds = np.full(int(groups.max()) + 1, np.inf)
    np.minimum.at(thresholds, groups[retained], priority[retained])
    return np.asarray(np.minimum(score / thresholds[groups], 1))
