"""Train and test models on the retained rows, on as many random ones and on all rows, and say what that proves.

Models are the caller's: a function that trains one from scratch on some rows, and returns its accuracy on test data
that no selection has seen. What is compared is the mean over seeds, with Student's interval over the pairs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict, Field

from ted_core.errors import EvaluationUnsuited
from ted_core.evaluation.intervals import CONFIDENCE, Interval, difference
from ted_core.random_streams import Stream, stream_rng

RowNumbers = Int64[np.ndarray, "_"]
TrainAndScore = Callable[[RowNumbers, int], float]
"""(rows to train on, ascending and counted from 0; seed) → accuracy on test data, between 0 and 1."""
TrainedOn = Literal["kept", "random", "all"]
EvaluationVerdict = Literal["lossless", "worse", "not proven"]
TOLERANCE, SEEDS, POINTS = 0.3, 3, 100


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class EvaluationRun(_Facts):
    """One model."""

    trained_on: TrainedOn
    seed: int
    rows: int
    accuracy: float


class Difference(_Facts):
    """How far models on the retained rows are ahead of others, in points."""

    mean: float
    low: Annotated[float | None, Field(description="The lower end of the interval; null with a single seed.")]
    high: float | None
    confidence: float = CONFIDENCE

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Difference":
        """Compare two lists of accuracies, pair by pair."""
        interval: Interval = difference(ours, theirs)
        ends = [POINTS * end if math.isfinite(end) else None for end in (interval.low, interval.high)]
        return cls(mean=POINTS * interval.mean, low=ends[0], high=ends[1])


class Evaluation(_Facts):
    """What came out."""

    runs: tuple[EvaluationRun, ...]
    tolerance: Annotated[float, Field(description="Points that pruning may cost and still be called lossless.")]
    to_all: Annotated[Difference, Field(description="From models on all rows.")]
    to_random: Annotated[Difference, Field(description="From models on as many random rows.")]
    verdict: Annotated[
        EvaluationVerdict,
        Field(
            description="lossless: the whole interval of the difference from all rows lies above minus the tolerance. "
            "worse: it lies below. not proven: it holds minus the tolerance, as it does with a single seed, or no "
            "accuracy depends on the seed."
        ),
    ]

    @classmethod
    def of(cls, runs: Sequence[EvaluationRun], *, tolerance: float = TOLERANCE) -> "Evaluation":
        """Draw the conclusion from all runs."""
        by_rows: Mapping[str, list[float]] = {
            name: [run.accuracy for run in runs if run.trained_on == name] for name in ("kept", "random", "all")
        }
        to_all = Difference.of(by_rows["kept"], by_rows["all"])
        return cls(
            runs=tuple(runs),
            tolerance=tolerance,
            to_all=to_all,
            to_random=Difference.of(by_rows["kept"], by_rows["random"]),
            verdict=_verdict(to_all, tolerance) if _varies(by_rows) else "not proven",
        )


def _varies(accuracies: Mapping[str, Sequence[float]]) -> bool:
    """Whether seeds make a difference: an interval over runs that are one and the same would have no width."""
    return any(len(set(accuracies[name])) > 1 for name in ("kept", "all"))


def _verdict(to_all: Difference, tolerance: float) -> EvaluationVerdict:
    if to_all.low is None or to_all.high is None:
        return "not proven"
    if to_all.low > -tolerance:
        return "lossless"
    return "worse" if to_all.high < -tolerance else "not proven"


def evaluate(
    train_and_score: TrainAndScore,
    retained: RowNumbers,
    all_rows: int | RowNumbers,
    *,
    seeds: int = SEEDS,
    tolerance: float = TOLERANCE,
    on_run: Callable[[EvaluationRun], None] = lambda _: None,
) -> Evaluation:
    """Train three models for each seed, and say whether pruning costs accuracy.

    >>> kept = np.arange(60)
    >>> evaluate(lambda rows, seed: 0.9 + 0.001 * seed, kept, 100).verdict
    'lossless'

    ``retained`` are row numbers, as in ``Manifest.row_indices``; ``all_rows`` is how many rows the dataset has, or the
    rows that can be used. Seeds are 0, 1, 2 …; each model of one seed is given the same. ``tolerance`` is in points.
    Raises EvaluationUnsuited.
    """
    usable = np.arange(all_rows) if isinstance(all_rows, int) else all_rows
    runs = []
    for run in run_all(train_and_score, retained, usable, seeds=seeds):
        on_run(run)
        runs.append(run)
    return Evaluation.of(runs, tolerance=tolerance)


def run_all(
    train_and_score: TrainAndScore, retained: RowNumbers, usable: RowNumbers, *, seeds: int
) -> Iterator[EvaluationRun]:
    """Yield each model's result when it is known, seed after seed. Raises EvaluationUnsuited."""
    if seeds < 1:
        raise EvaluationUnsuited(f"{seeds} seeds train nothing", field="seeds")
    if not len(retained) or not np.isin(retained, usable).all():
        raise EvaluationUnsuited("The retained rows are not among all rows", field="retained")
    for seed in range(seeds):
        for name, rows in _choices(retained, usable, seed=seed).items():
            accuracy = _checked(train_and_score(rows, seed))
            yield EvaluationRun(trained_on=name, seed=seed, rows=len(rows), accuracy=accuracy)


def _choices(retained: RowNumbers, usable: RowNumbers, *, seed: int) -> Mapping[TrainedOn, RowNumbers]:
    """What each model of a seed is trained on; random rows are others with every seed."""
    drawn = stream_rng(seed, Stream.COMPARISON_ROWS).permutation(len(usable))[: len(retained)]
    return {"kept": np.sort(retained), "random": usable[np.sort(drawn)], "all": usable}


def _checked(accuracy: float) -> float:
    """Refuse what is no accuracy: percentages and losses would be compared as if they were."""
    if not 0 <= accuracy <= 1:
        raise EvaluationUnsuited(f"An accuracy of {accuracy:g} is not between 0 and 1", field="train_and_score")
    return float(accuracy)
