"""What can be concluded about two selections whose accuracies come in pairs, one pair for each seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

CONFIDENCE = 0.95
FEWEST = 2


@dataclass(frozen=True)
class Interval:
    """Student's interval of a mean difference, in the unit of what was compared."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0

    def lossless(self, margin: float) -> bool:
        """Say whether the whole interval lies above minus the margin."""
        return self.low > -margin


def half_width(values: Sequence[float]) -> float:
    """Return how far Student's interval of the mean extends to either side; infinite for a single value."""
    if len(values) < FEWEST:
        return math.inf
    from scipy.stats import t as student  # noqa: PLC0415 - it takes a second to load

    return float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Subtract theirs from ours, pair by pair."""
    pairs = [our - their for our, their in zip(ours, theirs, strict=True)]
    return Interval(mean(pairs), mean(pairs) - half_width(pairs), mean(pairs) + half_width(pairs), len(pairs))
