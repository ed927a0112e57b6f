"""One model learns: its learning rate rises and falls, its rows are counted, and it says so when it diverges."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.errors import TrainingDiverged
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build, weights_digest
from ted_core.training.batches import ArrayBatches, Scaling
from ted_core.training.trainer import WARM_UP_SHARE, Trainer, fit, learning_rate_share
from tests.reference import ted
from tests.ted_core import examples


def training(name: str = "mlp", **choices: object) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": name} | choices))


def trainee(samples: Samples, proxy: ResolvedProxy) -> tuple[Trainer, ArrayBatches]:
    table = ArrayBatches(samples, scaling=Scaling.of(samples))
    return Trainer(build(proxy, samples, seed=0), proxy, device="cpu"), table


def weights_after_an_epoch(samples: Samples, proxy: ResolvedProxy, *, seed: int) -> str:
    model, table = trainee(samples, proxy)
    model.train_epoch(table, np.arange(len(samples)), number=1, rng=np.random.default_rng(seed))
    return weights_digest(model.model)


def test_the_learning_rate_begins_at_nothing_peaks_and_ends_at_nothing() -> None:
    middle = (1 + WARM_UP_SHARE) / 2

    shares = [learning_rate_share(done) for done in (0, WARM_UP_SHARE / 2, WARM_UP_SHARE, middle, 1)]

    assert shares == pytest.approx([0, 0.5, 1, 0.5, 0])


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_learning_rate_only_rises_before_the_peak_and_only_falls_after_it(one: float, other: float) -> None:
    earlier, later = sorted((one, other))

    if later < WARM_UP_SHARE:
        assert learning_rate_share(earlier) <= learning_rate_share(later)
    if earlier >= WARM_UP_SHARE:
        assert learning_rate_share(earlier) >= learning_rate_share(later)


def test_the_learning_rate_follows_the_share_of_training_that_is_done() -> None:
    samples, proxy = examples.random_vectors(100), training(epochs=10, batch_size=25, learning_rate=0.01)
    model, table = trainee(samples, proxy)

    model.train_epoch(table, np.arange(100), number=4, rng=np.random.default_rng(0))

    last_step = learning_rate_share((4 + 75 / 100) / 10)
    assert model.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * last_step)


def test_fewer_rows_do_not_slow_the_schedule_down() -> None:
    samples, proxy = examples.random_vectors(100), training(epochs=10, batch_size=25)
    rates = []

    for rows in (100, 50):
        model, table = trainee(samples, proxy)
        model.train_epoch(table, np.arange(rows), number=9, rng=np.random.default_rng(0))
        rates.append(model.optimizer.param_groups[0]["lr"] / proxy.training.learning_rate)

    assert rates == pytest.approx([learning_rate_share(0.975), learning_rate_share(0.95)])


def test_the_digits_are_learned(digits: Samples) -> None:
    order = np.random.default_rng(0).permutation(len(digits))
    train, test = order[:1400], order[1400:]
    unseen = examples.samples(digits.inputs[test], digits.labels[test])

    fitted = fit(digits, train, proxy=training(), seed=0)

    assert fitted.accuracy(unseen) > 0.9


def test_images_are_learned_by_the_convolutional_network(digits: Samples) -> None:
    pixels = (digits.inputs * 15.9).astype(np.uint8).reshape(-1, 1, 8, 8)
    images = examples.samples(pixels, digits.labels)

    fitted = fit(images, np.arange(len(images)), proxy=training("cnn", epochs=4), seed=0)

    assert fitted.accuracy(images) > 0.9


def test_the_accuracy_is_the_share_of_right_answers(digits: Samples) -> None:
    fitted = fit(digits, np.arange(300), proxy=training(epochs=3), seed=0)

    model, scaled = fitted.trainer.model.eval(), fitted.table.scaling.apply(torch.from_numpy(digits.inputs.copy()))

    right = sum(int(model(scaled[row : row + 1]).argmax()) == digits.labels[row] for row in range(len(digits)))
    assert fitted.accuracy(digits) == pytest.approx(right / len(digits), abs=1e-3)


def test_the_loss_falls_from_epoch_to_epoch(digits: Samples) -> None:
    model, table = trainee(digits, training(epochs=5))

    rows = np.arange(len(digits))
    losses = [model.train_epoch(table, rows, number=epoch, rng=np.random.default_rng(epoch)) for epoch in range(5)]

    assert all(later < earlier for earlier, later in itertools.pairwise(losses))


def test_the_loss_is_the_mean_over_rows_not_over_batches() -> None:
    samples, proxy = examples.random_vectors(10), training(epochs=3, batch_size=8)
    model, table = trainee(samples, proxy.with_training(learning_rate=0.0))

    loss = model.train_epoch(table, np.arange(10), number=0, rng=np.random.default_rng(0))

    assert loss == pytest.approx(float(np.mean(-np.log(model.performance(table, np.arange(10))))), rel=1e-5)


@pytest.mark.parametrize("name", ["mlp", "resnet18"])
def test_a_learning_rate_that_is_far_too_large_diverges_in_words(name: str) -> None:
    samples = examples.random_images(64)
    endless = training(name, epochs=3, batch_size=16).with_training(learning_rate=1e30)

    with pytest.raises(TrainingDiverged, match=r"lower proxy\.learning_rate") as failure:
        fit(samples, np.arange(64), proxy=endless, seed=0)

    assert failure.value.field == "proxy.learning_rate"


def test_a_row_that_would_be_alone_in_its_batch_is_neither_trained_nor_counted() -> None:
    samples, counts = examples.random_images(17), []
    model, table = trainee(samples, training("cnn", epochs=3, batch_size=8))

    model.train_epoch(table, np.arange(17), number=0, rng=np.random.default_rng(0), count_rows=counts.append)

    assert counts == [8, 8]


def test_without_rows_nothing_is_learned_and_the_loss_is_zero() -> None:
    samples = examples.random_vectors(10)
    model, table = trainee(samples, training())
    before = weights_digest(model.model)

    loss = model.train_epoch(table, np.zeros(0, np.int64), number=3, rng=np.random.default_rng(0))

    assert (loss, weights_digest(model.model)) == (0.0, before)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_an_epoch_is_the_same_whenever_its_seed_is(name: str) -> None:
    samples, proxy = examples.random_images(64), training(name, epochs=4, batch_size=8)

    first, again, other = (weights_after_an_epoch(samples, proxy, seed=seed) for seed in (1, 1, 2))

    assert first == again != other


def test_the_performance_is_the_probability_of_the_true_label() -> None:
    samples = examples.random_vectors(20, classes=3)
    model, table = trainee(samples, training())

    measured = model.performance(table, np.arange(20))

    logits = model.model(table.scaling.apply(torch.from_numpy(samples.inputs.copy()))).tolist()
    expected = [ted.softmax(row)[label] for row, label in zip(logits, samples.labels, strict=True)]
    assert measured.tolist() == pytest.approx(expected, rel=1e-4)


def test_measuring_changes_nothing() -> None:
    samples = examples.random_images(20)
    model, table = trainee(samples, training("cnn"))
    before = weights_digest(model.model)

    first, again = (model.performance(table, np.arange(20)) for _ in range(2))

    assert weights_digest(model.model) == before
    np.testing.assert_array_equal(first, again)


def test_measuring_nothing_gives_nothing() -> None:
    samples = examples.random_vectors(10)
    model, table = trainee(samples, training())

    assert model.performance(table, np.zeros(0, np.int64)).shape == (0,)
