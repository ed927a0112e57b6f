"""The probability with which each sample was to be retained: min(1, c·score)."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int64

from ted_core.selection.sampling.groups import Groups
from ted_core.selection.sampling.parts import parts

PositiveScore = Float[np.ndarray, " samples"]
PerGroup = Float[np.ndarray, " groups"]


def inclusion_probabilities(
    score: PositiveScore, retained: Bool[np.ndarray, " samples"], *, groups: Groups | None = None
) -> PositiveScore:
    """The probability with which each sample was to be retained: min(1, c·score), as precise as the score.

    The factor c is that of the sample's group (its class, if classes have floors or shares of their own), or of all
    samples if there are no groups; a group's probabilities add up to the number of its samples that are retained
    (Ohlsson 1998).
    """
    groups = all_alike(len(score)) if groups is None else groups
    factors, probability = ScoreFactors.of(score, retained, groups=groups), np.empty_like(score)
    for part in parts(len(score)):
        probability[part] = factors.probability(score[part], groups[part])
    return probability


def all_alike(samples: int) -> Int64[np.ndarray, " samples"]:
    """A single group, in no memory at all."""
    return np.broadcast_to(np.int64(0), samples)


@dataclass(frozen=True)
class ScoreFactors:
    """What the positive scores of each group are to be multiplied with."""

    factor: PerGroup

    @classmethod
    def of(cls, score: PositiveScore, retained: Bool[np.ndarray, " samples"], *, groups: Groups) -> "ScoreFactors":
        """The factors c with which min(1, c·score) add up to each group's retained samples, by Newton's method.

        The sum is a concave function of c, made of straight lines, so that no step goes too far: each finds more
        samples that are certain, until one finds none and is exact. All it takes are sums over parts of the data.
        """
        sizes, wanted = _sizes_and_counts(retained, groups)
        factors, certain = cls(np.where(wanted == sizes, np.inf, 0.0)), np.full(len(sizes), -1)
        while True:
            found, rest = factors.certain_and_rest(score, groups)
            unfinished = (found > certain) & (found < wanted)
            if not unfinished.any():
                return factors
            step = np.divide(wanted - found, rest, out=factors.factor.copy(), where=unfinished)
            factors, certain = replace(factors, factor=step), found

    def probability(self, score: PositiveScore, groups: Groups) -> Float[np.ndarray, " samples"]:
        """The probabilities of some samples."""
        return np.asarray(np.minimum(score * self.factor[groups], 1))

    def certain_and_rest(self, score: PositiveScore, groups: Groups) -> tuple[Int64[np.ndarray, " groups"], PerGroup]:
        """How many samples of each group are certain, and what the scores of its others add up to."""
        certain, rest = np.zeros(len(self.factor), np.int64), np.zeros(len(self.factor))
        for part in parts(len(score)):
            own, some = score[part], groups[part]
            over = own * self.factor[some] > 1
            certain += np.bincount(some[over], minlength=len(certain))
            rest += np.bincount(some, weights=np.where(over, 0, own), minlength=len(rest))
        return certain, rest


def _sizes_and_counts(
    retained: Bool[np.ndarray, " samples"], groups: Groups
) -> tuple[Int64[np.ndarray, " groups"], Int64[np.ndarray, " groups"]]:
    """How many samples each group has, and how many of them are retained."""
    size = int(groups.max()) + 1
    sizes, counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for part in parts(len(groups)):
        sizes += np.bincount(groups[part], minlength=size)
        counts += np.bincount(groups[part][retained[part]], minlength=size)
    return sizes, counts
