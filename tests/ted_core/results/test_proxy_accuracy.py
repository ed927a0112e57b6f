"""A proxy's accuracy stands beside what takes no learning, and a proxy that knows no more than that says so."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.datasets.samples import Dialogues
from ted_core.results.provenance import ProxyAccuracy
from ted_core.results.proxy_accuracy import proxy_accuracy
from ted_core.training.predictions import Predictions
from tests.ted_core import examples

ROWS = 2000


def labelled(labels: np.ndarray, *, task: str | None = None) -> Samples:
    return replace(examples.samples(np.zeros((len(labels), 1), np.float32), labels), task=task)


def three_to_one(rows: int = ROWS) -> Samples:
    return labelled((np.arange(rows) % 4 == 0).astype(np.int64))


def balanced(classes: int, rows: int = ROWS) -> Samples:
    return labelled(np.arange(rows) % classes)


def several(share: float, classes: int = 20) -> Samples:
    """Each class is that of one row in ``1 / share``."""
    flags = (np.random.default_rng(0).random((ROWS, classes)) < share).astype(np.float32)
    return replace(three_to_one(), labels=flags, classes=tuple(map(str, range(classes))))


def predicted(performance: Any, right: Any) -> Predictions:
    told = performance, right, 2 * np.asarray(performance) - 1
    return Predictions(*(np.asarray(values, np.float32) for values in told))


def partly(samples: Samples, accuracy: float, *, sure: float) -> Predictions:
    """Right for a random part of the rows, and as sure of the class that it names each time."""
    right = np.random.default_rng(1).random(len(samples)) < accuracy
    other = (1 - sure) / (len(samples.classes) - 1)
    return predicted(np.where(right, sure, other), right)


def measured(predictions: Predictions, samples: Samples, base: Predictions | None = None) -> ProxyAccuracy:
    found = proxy_accuracy(predictions, samples, base=base)
    assert found is not None
    return found


def test_without_predictions_there_is_no_accuracy() -> None:
    assert proxy_accuracy(None, three_to_one()) is None


def test_accuracy_stands_beside_majority_class_and_chance() -> None:
    samples = three_to_one(8)

    found = measured(predicted([0.5] * 8, [1, 1, 1, 1, 1, 0, 0, 0]), samples)

    assert (found.out_of_sample, found.majority_class, found.chance) == (5 / 8, 3 / 4, 1 / 2)
    assert found.standard_error == pytest.approx((5 / 8 * 3 / 8 / 8) ** 0.5)
    assert (found.performance, found.reference_performance) == (0.5, pytest.approx(0.75**2 + 0.25**2))
    assert found.base_model is None


@given(st.integers(2, 40), st.integers(0, 99))
def test_what_the_classes_shares_give_is_the_sum_of_their_squares(classes: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, 300)
    labels[:2] = [0, classes - 1]

    found = measured(predicted(np.ones(300), np.ones(300)), labelled(labels))

    shares = np.bincount(labels) / 300
    assert found.reference_performance == pytest.approx((shares**2).sum())
    assert found.majority_class == pytest.approx(shares.max())
    assert found.chance == pytest.approx(1 / classes)


@pytest.mark.parametrize("sure", [0.5, 0.75, 0.9, 1.0])
def test_naming_the_majority_class_however_surely_is_no_learning(sure: float) -> None:
    samples = three_to_one()
    majority = samples.labels == 0

    found = measured(predicted(np.where(majority, sure, 1 - sure), majority), samples)

    assert found.out_of_sample == found.majority_class
    assert found.has_learned is False


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_guessing_is_no_learning(classes: int) -> None:
    samples = balanced(classes)

    assert measured(partly(samples, 1 / classes, sure=0.9), samples).has_learned is False


@pytest.mark.parametrize(
    ("classes", "accuracy", "sure"), [(2, 0.85, 0.8), (10, 0.9, 0.9), (10, 0.5, 0.5), (100, 0.4, 0.3)]
)
def test_a_proxy_that_is_mostly_right_or_far_above_guessing_has_learned(
    classes: int, accuracy: float, sure: float
) -> None:
    samples = balanced(classes)

    assert measured(partly(samples, accuracy, sure=sure), samples).has_learned is True


def test_a_proxy_that_is_often_right_but_never_sure_has_not_learned() -> None:
    """As on CIFAR-10 after two epochs: 0.31 are right, but what is right gets a probability of 0.16 instead of 0.10."""
    samples = balanced(10)
    right = np.arange(ROWS) % 100 < 31

    found = measured(predicted(np.where(right, 0.25, 0.115), right), samples)

    assert found.performance == pytest.approx(0.157, abs=1e-3)
    assert found.has_learned is False


def test_one_fraud_in_a_hundred_may_be_learned_though_no_row_is_ever_called_one() -> None:
    samples = labelled((np.arange(ROWS) % 100 == 0).astype(np.int64))
    honest = samples.labels == 0

    found = measured(predicted(np.where(honest, 0.996, 0.4), honest), samples)

    assert found.out_of_sample == found.majority_class == 0.99
    assert found.has_learned is True


def test_a_gain_that_chance_explains_is_none() -> None:
    samples = balanced(2, rows=20)

    assert measured(partly(samples, 0.6, sure=0.9), samples).has_learned is False


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_with_several_classes_a_row_it_is_their_shares_that_must_be_beaten(share: float) -> None:
    samples = several(share)
    frequency = samples.labels.mean(0)
    loss = -np.where(samples.labels > 0, np.log(frequency), np.log(1 - frequency)).mean(1)
    constant = predicted(np.exp(-loss), ((samples.labels > 0) == (frequency > 0.5)).mean(1))

    found, better = (measured(some, samples) for some in (constant, predicted(np.exp(-loss / 2), constant.right)))

    assert found.majority_class == pytest.approx(found.out_of_sample)
    assert found.reference_performance == pytest.approx(found.performance, rel=1e-5)
    assert (found.chance, found.has_learned, better.has_learned) == (0.5, False, True)


def dialogues(rows: int = ROWS) -> Samples:
    inputs = Dialogues(pa.chunked_array([pa.array([[]] * rows, pa.list_(pa.string()))]))
    return replace(three_to_one(rows), inputs=inputs, labels=np.zeros(rows, np.int64), classes=())


@pytest.mark.parametrize(("gain", "learned"), [(0.02, True), (0.0, False), (-0.02, False)])
def test_a_language_model_must_beat_what_it_was_before_training(gain: float, learned: bool) -> None:
    rng = np.random.default_rng(0)
    before = predicted(rng.uniform(0.2, 0.6, ROWS), rng.uniform(0.3, 0.7, ROWS))
    after = predicted(before.performance + gain + rng.normal(0, 0.01, ROWS), before.right + gain)

    found = measured(after, dialogues(), base=before)

    assert found.has_learned is learned
    assert found.base_model == pytest.approx(before.right.mean(), rel=1e-5)
    assert found.reference_performance == pytest.approx(before.performance.mean(), rel=1e-5)
    assert (found.majority_class, found.chance) == (None, None)


def test_a_language_model_that_nobody_measured_before_is_not_judged() -> None:
    found = measured(predicted([0.5] * ROWS, [0.5] * ROWS), dialogues())

    assert (found.out_of_sample, found.has_learned, found.base_model) == (0.5, None, None)


@pytest.mark.parametrize(("accuracy", "learned"), [(0.9, True), (0.75, False)])
def test_under_the_loss_of_an_installed_package_accuracy_alone_decides(accuracy: float, learned: bool) -> None:
    samples = replace(three_to_one(), task="smoothed-classification")

    found = measured(partly(samples, accuracy, sure=0.6), samples)

    assert found.has_learned is learned
    assert found.reference_performance is None


def test_losses_beyond_what_a_number_holds_are_judged_too() -> None:
    samples = three_to_one()
    majority = samples.labels == 0

    found = measured(predicted(majority, majority), samples)

    assert found.has_learned is False
    assert found.model_dump_json()
