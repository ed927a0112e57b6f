"""UNSEEN-like selection: no row is scored by a model that has trained on it, and the coreset only grows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import at_most, digits
from benchmarks.rivals import unseen
from benchmarks.rivals.unseen import Scoring, grow, select_unseen, step_counts
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.baselines.common import Quota
from ted_core.training import trainer

TRAIN = at_most(digits(Path(), Path())[0], 120)
PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=3))
QUOTA = Quota(count=60, labels=TRAIN.labels, seed=4)


@pytest.fixture
def meetings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[int], set[int]]]:
    """Which rows each model was trained on, and which it scored."""
    met: list[tuple[set[int], set[int]]] = []
    fit, measure = unseen.fit, unseen.measure_rows

    def watched_fit(samples, rows, **options):  # type: ignore[no-untyped-def]
        met.append((set(rows.tolist()), set()))
        return fit(samples, rows, **options)

    def watched_measure(table, rows, function):  # type: ignore[no-untyped-def]
        met[-1][1].update(rows.tolist())
        return measure(table, rows, function)

    monkeypatch.setattr(unseen, "fit", watched_fit)
    monkeypatch.setattr(unseen, "measure_rows", watched_measure)
    return met


def test_no_model_scores_a_row_that_it_has_trained_on(meetings: list[tuple[set[int], set[int]]]) -> None:
    select_unseen(TRAIN, QUOTA, proxy=PROXY)

    assert all(not trained & scored for trained, scored in meetings)
    folds = meetings[:2]
    assert folds[0][1] | folds[1][1] == set(range(120))
    assert [len(trained) for trained, _ in meetings] == [60, 60, 20, 40]
    assert meetings[2][0] < meetings[3][0]


def test_the_cost_is_one_run_and_what_the_growing_coreset_takes() -> None:
    found = select_unseen(TRAIN, QUOTA, proxy=PROXY)

    assert found.retained.sum() == 60
    assert found.samples_trained == 3 * (120 + 20 + 40)
    assert found.samples_measured == 120 + 100 + 80


def test_the_coreset_grows_in_even_steps() -> None:
    assert step_counts(60) == [20, 40, 60]
    assert step_counts(10) == [3, 7, 10]


def test_what_is_in_the_coreset_stays_and_the_worst_errors_outside_it_are_added() -> None:
    coreset, score = np.array([True, False, False, False]), np.array([0.0, 0.3, 0.9, 0.5], np.float32)

    grown = grow(coreset, score, replace(QUOTA, count=3, labels=np.zeros(4, np.int64)))

    assert grown.tolist() == [True, False, True, True]


def test_an_error_is_the_distance_from_the_label_under_the_model_of_the_other_fold() -> None:
    scoring, folds = Scoring(TRAIN, PROXY, seed=4), [np.arange(50), np.arange(50, 120)]

    score = scoring.of_folds(folds)

    seed = unseen.stream_seed(4, unseen.BenchmarkStream.UNSEEN_MODELS, 1, 0)
    other = trainer.fit(TRAIN, folds[1], proxy=PROXY, seed=seed)
    other.trainer.model.eval()
    ((inputs, labels),) = other.table.in_order(folds[0])
    probabilities = other.trainer.model(inputs).softmax(1).tolist()
    expected = [
        sum((p - (c == label)) ** 2 for c, p in enumerate(row)) ** 0.5
        for row, label in zip(probabilities, labels.tolist(), strict=True)
    ]
    assert score[folds[0]] == pytest.approx(expected, rel=1e-4)
