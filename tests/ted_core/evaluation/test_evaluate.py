"""A selection is judged by models on its rows, on random rows and on all rows, seed by seed."""

import numpy as np
import pytest

from ted_core.errors import EvaluationUnsuited
from ted_core.evaluation import Evaluation, evaluate
from ted_core.evaluation.evaluate import EvaluationRun

KEPT = np.arange(0, 100, 2)


def of(kept: list[float], everything: list[float], *, tolerance: float = 0.3) -> Evaluation:
    """An evaluation of these accuracies, with random rows as good as the retained ones."""
    runs = [
        EvaluationRun(trained_on=name, seed=seed, rows=1, accuracy=accuracy)
        for name, accuracies in {"kept": kept, "random": kept, "all": everything}.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    return Evaluation.of(runs, tolerance=tolerance)


def test_each_seed_trains_on_the_retained_rows_on_as_many_random_ones_and_on_all() -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    evaluation = evaluate(lambda rows, seed: bool(seen.append((seed, tuple(rows)))) or 0.5, KEPT, 100, seeds=2)

    assert [seed for seed, _ in seen] == [0, 0, 0, 1, 1, 1]
    kept, drawn, everything = (set(rows) for _, rows in seen[:3])
    assert kept == set(KEPT)
    assert everything == set(range(100))
    assert len(drawn) == len(KEPT)
    assert drawn not in (kept, set(seen[4][1])), "random rows are drawn, and others with every seed"
    assert [run.rows for run in evaluation.runs[:3]] == [50, 50, 100]


def test_random_rows_are_drawn_from_those_that_can_be_used() -> None:
    usable = np.arange(100, 200)
    drawn: list[np.ndarray] = []

    evaluate(lambda rows, _: bool(drawn.append(rows)) or 0.5, usable[:30], usable, seeds=1)

    assert all(np.isin(rows, usable).all() for rows in drawn)


@pytest.mark.parametrize(
    ("kept", "everything", "verdict"),
    [
        ([0.900, 0.901, 0.899], [0.900, 0.901, 0.899], "lossless"),
        ([0.910, 0.911, 0.909], [0.900, 0.901, 0.899], "lossless"),
        ([0.890, 0.891, 0.889], [0.900, 0.901, 0.899], "worse"),
        ([0.890, 0.910, 0.900], [0.900, 0.900, 0.900], "not proven"),
        ([0.900, 0.900, 0.900], [0.900, 0.900, 0.900], "not proven"),  # seeds change nothing
        ([0.900], [0.900], "not proven"),
        ([0.800], [0.900], "not proven"),
    ],
    ids=str,
)
def test_the_verdict_is_that_of_the_whole_interval(kept: list[float], everything: list[float], verdict: str) -> None:
    assert of(kept, everything).verdict == verdict


def test_differences_are_points_with_their_interval() -> None:
    # 1, 2 and 3 points ahead: t(0.975, 2) = 4.3027, standard deviation 1, over the root of 3: 2.4842
    ahead = of([0.91, 0.92, 0.93], [0.90, 0.90, 0.90]).to_all

    assert ahead.mean == pytest.approx(2)
    assert (ahead.low, ahead.high) == pytest.approx((2 - 2.4842, 2 + 2.4842), abs=1e-3)


def test_a_single_seed_has_no_interval() -> None:
    alone = of([0.91], [0.90]).to_all

    assert (alone.low, alone.high) == (None, None)


def test_each_model_is_told_of_when_it_is_known() -> None:
    told: list[EvaluationRun] = []

    evaluation = evaluate(lambda rows, _: len(rows) / 100, KEPT, 100, seeds=1, on_run=told.append)

    assert tuple(told) == evaluation.runs
    assert [run.accuracy for run in told] == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("accuracy", [93.5, -0.1, float("nan"), float("inf")])
def test_what_is_no_accuracy_is_refused(accuracy: float) -> None:
    with pytest.raises(EvaluationUnsuited, match="is not between 0 and 1"):
        evaluate(lambda _, __: accuracy, KEPT, 100)


@pytest.mark.parametrize(
    ("retained", "all_rows", "seeds", "message"),
    [
        (np.array([100]), 100, 3, "The retained rows are not among all rows"),
        (np.array([], np.int64), 100, 3, "The retained rows are not among all rows"),
        (KEPT, 100, 0, "0 seeds train nothing"),
    ],
    ids=["beyond", "none", "no seed"],
)
def test_what_cannot_be_judged_is_refused(retained: np.ndarray, all_rows: int, seeds: int, message: str) -> None:
    with pytest.raises(EvaluationUnsuited, match=message):
        evaluate(lambda _, __: 0.5, retained, all_rows, seeds=seeds)
