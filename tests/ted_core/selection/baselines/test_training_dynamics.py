"""One training run, watched: what is recorded of every sample, and at what cost."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ted_core.datasets import Samples
from ted_core.errors import TooFewRounds, TrainingDiverged
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.selection.baselines.training_dynamics import (
    Collector,
    Epoch,
    Observation,
    Run,
    TrainingCost,
    dual_epochs,
    dual_window,
    observe,
    predictions,
)
from ted_core.selection.rounds import ProgressUpdate
from ted_core.training.batches import ArrayBatches, Scaling
from ted_core.training.trainer import Trainer
from tests.reference import baselines, ted
from tests.ted_core import examples

SAMPLES = examples.random_vectors(150, classes=3)
COST = TrainingCost(train_loss=0.5, samples_trained=7, samples_measured=9)


def training(**choices: object) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": "mlp", "epochs": 8} | choices))


def history(epochs: int, samples: int, seed: int) -> list[Epoch]:
    """What a run might show."""
    rng = np.random.default_rng(seed)
    return [
        Epoch(
            rng.random(samples, np.float32),
            rng.uniform(-1, 1, samples).astype(np.float32),
            rng.random(samples) < 0.5,
        )
        for _ in range(epochs)
    ]


def collected(epochs: list[Epoch], *, planned: int) -> Observation:
    collector = Collector(len(epochs[0].right), epochs=planned)
    for epoch in epochs:
        collector.add(epoch)
    return collector.observation(COST)


def contents(found: Observation) -> list[object]:
    return [value.tobytes() if isinstance(value, np.ndarray) else value for value in vars(found).values()]


@given(st.integers(3, 25), st.integers(1, 5), st.integers(0, 1000))
def test_the_running_sums_are_those_of_the_whole_history(epochs: int, samples: int, seed: int) -> None:
    shown = history(epochs, samples, seed)

    found = collected(shown, planned=epochs)

    watched = dual_epochs(epochs)
    for sample in range(samples):
        probability = [float(epoch.probability[sample]) for epoch in shown]
        right = [bool(epoch.right[sample]) for epoch in shown]
        assert found.probability[sample] == pytest.approx(ted.mean(probability), rel=1e-5)
        assert found.margin[sample] == pytest.approx(
            ted.mean([float(epoch.margin[sample]) for epoch in shown]), abs=1e-6
        )
        assert found.learned[sample] == any(right)
        assert found.forgotten[sample] == (baselines.forgetting(right) if any(right) else 0)
        assert found.dual[sample] == pytest.approx(
            baselines.dual(probability[:watched], dual_window(watched)), rel=1e-4, abs=1e-6
        )
        assert found.dual_probability[sample] == pytest.approx(ted.mean(probability[:watched]), rel=1e-5)


def test_no_more_epochs_are_remembered_than_a_window_holds() -> None:
    collector = Collector(4, epochs=200)

    for epoch in history(50, 4, seed=0):
        collector.add(epoch)

    assert len(collector.window) == 10


@pytest.mark.parametrize(
    ("epochs", "watched", "window"), [(200, 30, 10), (100, 15, 5), (30, 6, 3), (12, 6, 3), (6, 6, 3), (3, 3, 3)]
)
def test_dual_watches_the_papers_share_of_the_epochs_or_the_fewest_that_say_anything(
    epochs: int, watched: int, window: int
) -> None:
    assert (dual_epochs(epochs), dual_window(dual_epochs(epochs))) == (watched, window)


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3), min_size=1, max_size=6), st.data())
def test_predictions_are_those_of_the_plain_softmax(logits: list[list[float]], data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, 2), min_size=len(logits), max_size=len(logits)))

    found = predictions(nn.Identity(), torch.tensor(logits), torch.tensor(labels)).tolist()

    for (own, margin, right), row, label in zip(found, logits, labels, strict=True):
        probabilities = ted.softmax(row)
        expected = baselines.margin(probabilities, label)
        assert own == pytest.approx(probabilities[label], rel=1e-5)
        assert margin == pytest.approx(expected, abs=1e-6)
        if abs(expected) > 1e-6:
            assert right == (expected > 0)


def test_what_is_recorded_is_what_the_model_says_after_each_epoch_in_eval_mode() -> None:
    images, proxy = examples.random_images(40, classes=3), training(name="cnn", epochs=3, batch_size=16)
    table = ArrayBatches(images, scaling=Scaling.of(images))
    plain = Trainer(build(proxy, images, seed=stream_seed(5, Stream.BASELINE_WEIGHTS, 0)), proxy, device="cpu")
    said = []
    for number in range(3):
        rng = stream_rng(5, Stream.BASELINE_BATCHES, 0, number)
        plain.train_epoch(table, np.arange(40), number=number, rng=rng)
        said.append(plain.performance(table, np.arange(40)))

    found = observe(images, proxy, seed=5)

    np.testing.assert_allclose(found.probability, np.mean(said, axis=0), rtol=1e-4)


def test_the_margin_grows_with_the_probability_and_learned_rows_are_right_in_the_end(digits: Samples) -> None:
    found = observe(digits, training(epochs=6), seed=0)

    assert found.learned.mean() > 0.95
    assert np.corrcoef(found.margin, found.probability)[0, 1] > 0.95
    assert (np.abs(found.margin) <= 1).all()


def test_the_first_epochs_alone_show_what_dual_would_see_in_the_whole_run() -> None:
    proxy = training(epochs=12)

    first, whole = observe(SAMPLES, proxy, seed=1, epochs=6), observe(SAMPLES, proxy, seed=1)

    assert (first.epochs, whole.epochs) == (6, 12)
    np.testing.assert_array_equal(first.dual, whole.dual)
    np.testing.assert_array_equal(first.dual_probability, whole.dual_probability)


def test_equal_seeds_show_the_same_bit_for_bit_and_others_do_not() -> None:
    first, again, other = (contents(observe(SAMPLES, training(), seed=seed)) for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_runs_of_one_seed_differ_in_weights_and_in_order() -> None:
    table = ArrayBatches(SAMPLES, scaling=Scaling.of(SAMPLES))

    runs = [Run(SAMPLES, training(), table=table, seed=3, number=number) for number in range(3)]

    first_weights = {next(run.trainer.model.parameters()).sum().item() for run in runs}
    first_numbers = set()
    for run in runs:
        run.trainer.train_epoch = lambda *_, rng, **__: rng.random()  # type: ignore[method-assign]
        first_numbers.add(run.train_epoch(0, count_rows=lambda _: None))
    assert len(first_weights) == len(first_numbers) == 3


def test_every_row_visit_is_counted_and_told_as_it_happens() -> None:
    steps: list[ProgressUpdate] = []

    found = observe(SAMPLES, training(epochs=4, batch_size=32), seed=0, watch=steps.append)

    assert (found.cost.samples_trained, found.cost.samples_measured) == (600, 600)
    assert [step.samples_trained for step in steps[:5]] == [32, 64, 96, 128, 150]
    assert [step.fraction for step in steps] == pytest.approx([step.samples_trained / 600 for step in steps])
    assert steps[-1].fraction == 1


def test_the_loss_is_that_of_the_last_epoch() -> None:
    table, proxy = ArrayBatches(SAMPLES, scaling=Scaling.of(SAMPLES)), training(epochs=3)
    run = Run(SAMPLES, proxy, table=table, seed=2)
    losses = [run.train_epoch(number, count_rows=lambda _: None) for number in range(3)]

    found = observe(SAMPLES, proxy, seed=2)

    assert found.cost.train_loss == losses[-1]


@pytest.mark.parametrize("choice", [{"epochs": 2}, {"epochs": 1}])
def test_too_few_epochs_are_refused_in_words(choice: dict[str, Any]) -> None:
    with pytest.raises(TooFewRounds, match=r"raise proxy\.epochs") as refused:
        observe(SAMPLES, training(), seed=0, **choice)

    assert refused.value.field == "proxy.epochs"


def test_what_is_no_number_at_the_end_is_divergence() -> None:
    run = Run(SAMPLES, training(), table=ArrayBatches(SAMPLES, scaling=Scaling.of(SAMPLES)), seed=0)

    with pytest.raises(TrainingDiverged, match=r"lower proxy\.learning_rate"):
        run.measure(lambda _, inputs, __: inputs[:, 0] / 0)
