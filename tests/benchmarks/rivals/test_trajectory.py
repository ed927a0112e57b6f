"""AUM is a mean of margins between logits, TDDS the variation of how far predictions move: by hand and by loops."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets import at_most, digits
from benchmarks.rivals.tdds import tdds_score, trajectory_length, window_length
from benchmarks.rivals.trajectory import logit_margin, movement, watch_training
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.baselines.training_dynamics import Run
from ted_core.training.trainer import batches_of

TRAIN = at_most(digits(Path(), Path())[0], 60)
PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=4))


def test_a_margin_is_the_labels_logit_minus_the_largest_other_one() -> None:
    logits = np.array([[3.0, 1.0, -2.0], [3.0, 1.0, -2.0], [0.5, 0.5, 0.5]], np.float32)

    assert logit_margin(logits, np.array([0, 2, 1])).tolist() == [2.0, -5.0, 0.0]


def test_a_prediction_that_stays_has_not_moved_and_one_that_flips_has_moved_by_the_log_of_its_ratio() -> None:
    before = np.array([[0.5, 0.5], [0.2, 0.8]], np.float32)
    now = np.array([[0.5, 0.5], [0.8, 0.2]], np.float32)

    moved = movement(before, now)

    assert moved[0] == 0
    assert moved[1] == pytest.approx(0.8 * math.log(4) + 0.2 * math.log(4), rel=1e-5)


def slow_score(movements: list[list[float]], *, watched: int, window: int) -> list[float]:
    """Sample by sample and window by window; the weights of the average are written out."""
    scores = []
    for sample in range(len(movements[0])):
        variations = []
        for start in range(watched - window + 1):
            inside = [movements[step][sample] for step in range(start, start + window - 1)]
            mean = sum(inside) / len(inside)
            variations.append(math.sqrt(sum((value - mean) ** 2 for value in inside)))
        ages = range(len(variations) - 1, -1, -1)
        scores.append(sum(0.9 * 0.1**age * value for age, value in zip(ages, variations, strict=True)))
    return scores


@pytest.mark.parametrize(("epochs", "kept"), [(12, 0.7), (12, 0.1), (40, 0.7), (200, 0.7), (200, 0.1), (4, 0.5)])
def test_the_score_is_that_of_plain_loops(epochs: int, kept: float) -> None:
    movements = np.random.default_rng(3).random((epochs - 1, 5)).astype(np.float32)

    score = tdds_score(movements, epochs=epochs, keep_ratio=kept)

    watched = trajectory_length(epochs, kept)
    expected = slow_score(movements.tolist(), watched=watched, window=window_length(watched, kept))
    assert score == pytest.approx(expected, rel=1e-5)


def test_what_happens_after_the_epochs_that_are_watched_does_not_count() -> None:
    movements = np.random.default_rng(3).random((11, 5)).astype(np.float32)
    other = movements.copy()
    other[trajectory_length(12, 0.7) - 1 :] += 1

    scores = [tdds_score(each, epochs=12, keep_ratio=0.7) for each in (movements, other)]

    assert np.array_equal(*scores)


@pytest.mark.parametrize(
    ("epochs", "kept", "lengths"),
    [(200, 0.7, (90, 10)), (200, 0.1, (10, 5)), (12, 0.7, (6, 4)), (12, 0.3, (6, 4)), (3, 0.7, (3, 3))],
)
def test_the_authors_lengths_are_scaled_to_the_run_but_never_below_what_can_vary(
    epochs: int, kept: float, lengths: tuple[int, int]
) -> None:
    watched = trajectory_length(epochs, kept)

    assert (watched, window_length(watched, kept)) == lengths


def test_a_run_is_watched_at_the_end_of_each_epoch() -> None:
    watched = watch_training(TRAIN, PROXY, seed=5)

    run, every = Run(TRAIN, PROXY, table=batches_of(TRAIN, PROXY), seed=5), []
    for epoch in range(4):
        run.train_epoch(epoch, count_rows=lambda _: None)
        run.trainer.model.eval()
        with torch.no_grad():
            every.append(run.trainer.model(run.table.scaling.apply(torch.tensor(TRAIN.inputs))))  # type: ignore[attr-defined]
    rows, labels = range(len(TRAIN)), TRAIN.labels.tolist()
    margins = [
        [float(z[i][labels[i]] - max(v for c, v in enumerate(z[i]) if c != labels[i])) for i in rows] for z in every
    ]
    assert watched.margin == pytest.approx(np.mean(margins, axis=0), abs=1e-4)
    first, second = (z.softmax(1).tolist() for z in every[:2])
    moved = [sum(abs(p * math.log(p / b)) for b, p in zip(first[i], second[i], strict=True)) for i in rows]
    assert watched.movements[0] == pytest.approx(moved, abs=1e-4)
    assert watched.movements.shape == (3, len(TRAIN))
    assert watched.samples_trained == watched.samples_measured == 4 * len(TRAIN)
