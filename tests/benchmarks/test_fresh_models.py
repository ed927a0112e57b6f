"""Fresh models are what fit makes, from seeds of their own."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import digits
from benchmarks.fresh_models import evaluate_fresh_model, predictions, train_fresh_model, training_seed
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build, weights_digest
from ted_core.random_streams import Stream, stream_seed
from ted_core.selection.twins import initial_seeds
from ted_core.training.trainer import fit

TRAIN, TEST = digits(Path(), Path())
PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=3))
YOUNG_MODELS = 10


def test_the_same_rows_in_every_epoch_give_what_fit_gives() -> None:
    rows = np.arange(0, len(TRAIN), 3)

    fresh = train_fresh_model(TRAIN, [rows] * 3, proxy=PROXY, seed=7)

    expected = fit(TRAIN, rows, proxy=PROXY, seed=7)
    assert weights_digest(fresh.trainer.model) == weights_digest(expected.trainer.model)


def test_the_schedule_ends_with_the_last_epoch_however_many_there_are() -> None:
    rows = np.arange(len(TRAIN))

    fresh = train_fresh_model(TRAIN, [rows] * 5, proxy=PROXY, seed=7)

    longer = PROXY.with_training(epochs=5)
    assert weights_digest(fresh.trainer.model) == weights_digest(fit(TRAIN, rows, proxy=longer, seed=7).trainer.model)


def test_fresh_models_start_from_other_weights_than_any_model_that_selects() -> None:
    seeds = range(5)

    fresh = {
        weights_digest(build(resolve_proxy(ProxySpec(name="mlp")), TRAIN, seed=training_seed(seed))) for seed in seeds
    }

    twins = {
        weights_digest(build(resolve_proxy(ProxySpec(name="mlp")), TRAIN, seed=twin_seed))
        for seed in seeds
        for twin_seed in initial_seeds(seed)
    }
    young = {
        weights_digest(
            build(resolve_proxy(ProxySpec(name="mlp")), TRAIN, seed=stream_seed(seed, Stream.BASELINE_WEIGHTS, number))
        )
        for seed in seeds
        for number in range(YOUNG_MODELS)
    }
    assert len(fresh) == len(seeds)
    assert not fresh & (twins | young)


def test_a_model_is_evaluated_by_all_classes_and_by_the_worst() -> None:
    rows = [np.arange(len(TRAIN))] * 3

    evaluation = evaluate_fresh_model(lambda: train_fresh_model(TRAIN, rows, proxy=PROXY, seed=1), TEST)

    fresh = train_fresh_model(TRAIN, rows, proxy=PROXY, seed=1)
    right = predictions(fresh, TEST) == TEST.labels
    shares = [sum(right[TEST.labels == digit]) / sum(TEST.labels == digit) for digit in range(10)]
    assert evaluation.accuracy == pytest.approx(fresh.accuracy(TEST))
    assert evaluation.worst_class_accuracy == pytest.approx(min(shares))
    assert 0 < evaluation.worst_class_accuracy < evaluation.accuracy
    assert evaluation.seconds > 0
