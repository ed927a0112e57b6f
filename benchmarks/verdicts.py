"""What may be said of two methods whose accuracies come in pairs, one pair per seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.stats import t as student

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
        """Whether all of it lies above zero."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether all of it lies below zero."""
        return self.high < 0

    def lossless(self, margin: float) -> bool:
        """Whether all of it lies above minus the margin."""
        return self.low > -margin


def reach(values: Sequence[float]) -> float:
    """How far Student's interval of the mean reaches to either side; a single value has none, and it is infinite."""
    if len(values) < FEWEST:
        return math.inf
    return float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Ours less theirs, pair by pair."""
    pairs = [one - other for one, other in zip(ours, theirs, strict=True)]
    return Interval(mean(pairs), mean(pairs) - reach(pairs), mean(pairs) + reach(pairs), len(pairs))
