"""How few rows are enough: the smallest keep ratio whose measured loss of accuracy stays inside a tolerance."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from ted_core.selection.rounds import RatioChoice, RatioPoint
from ted_core.selection.trials.half_trials import HalfTrials
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial, standard_error
from ted_core.selection.workload import RATIOS

POINTS = 100
"""Percentage points in one."""
QUANTILE = 1.645
"""So many standard errors to each side make an interval at 90 %; its upper end is exceeded once in twenty times."""
LEAST_SEEN = 0.2
"""Where less shows, an estimate from it would be of no use."""
LARGEST_RATIO = 0.95
"""What would keep more than this is not worth pruning."""
HUNDREDTHS = 100
"""A chosen ratio is a whole number of them, rounded up."""


def choose_ratio(trials: HalfTrials, rule: Rule, *, tolerance: float, seen: float = 1.0) -> RatioChoice:
    """Choose the keep ratio. Once one costs more than the tolerance, in points, no smaller one is tried.

    ``seen`` is how much of a loss wrong labels let show: see ``share_seen``.
    """
    everything, _ = trials.run(rule, 1.0, RATIOS[0])  # whatever they say, both are needed
    points = [RatioPoint(1.0, everything.accuracy, loss=0.0, standard_error=0.0, interval=(0.0, 0.0))]
    done = [everything]
    for ratio in RATIOS:
        done += trials.run(rule, ratio)
        points.append(_point(done[-1], everything, seen=seen))
        if points[-1].interval[1] > tolerance:
            break
    return RatioChoice(
        ratio=smallest_ratio(points, tolerance=tolerance),
        tolerance=tolerance,
        points=tuple(points),
        samples_trained=sum(trial.rows_trained for trial in done),
        samples_measured=sum(trial.rows_measured for trial in done),
    )


def share_seen(wrong: float, *, classes: int) -> float:
    """How much of a loss of accuracy shows against labels of which this share is wrong, any other class as likely.

    A right prediction counts as wrong where the label is, and a wrong one counts as right where the label happens to be
    the same: with two classes and a quarter of the labels wrong, half of a loss shows.
    """
    return max(1 - wrong * classes / (classes - 1), LEAST_SEEN)


def _point(trial: Trial, everything: Trial, *, seen: float) -> RatioPoint:
    loss = POINTS * (everything.accuracy - trial.accuracy) / seen
    error = POINTS * standard_error(trial, everything) / seen
    interval = (loss - QUANTILE * error, loss + QUANTILE * error)
    return RatioPoint(trial.keep_ratio, trial.accuracy, loss, error, interval)


def smallest_ratio(points: Sequence[RatioPoint], *, tolerance: float) -> float:
    """The smallest ratio at which the interval ends inside the tolerance, straight lines drawn between the points.

    The fewer rows are left, the more each of them costs; so the loss lies below such lines. 1 means that nothing is to
    be pruned.
    """
    ratio = 1.0
    for above, below in pairwise(points):
        high, low = above.interval[1], below.interval[1]
        if low > tolerance:
            ratio = above.ratio - (above.ratio - below.ratio) * (tolerance - high) / (low - high)
            break
        ratio = below.ratio
    rounded = ceil(round(HUNDREDTHS * ratio, HUNDREDTHS // 10)) / HUNDREDTHS
    return rounded if rounded <= LARGEST_RATIO else 1.0
