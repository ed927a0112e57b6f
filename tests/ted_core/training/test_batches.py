"""What a model sees: scaled inputs, in an order that the seed alone decides."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.training.batches import CHUNK, ArrayBatches, Batch, Scaling, Step
from ted_core.training.trainer import fit
from tests.ted_core import examples


def table(samples: Samples) -> ArrayBatches:
    return ArrayBatches(samples, scaling=Scaling.of(samples))


def counted(rows: int) -> ArrayBatches:
    """A table in which a row's only feature and its label are its number; nothing is scaled."""
    numbers = np.arange(rows, dtype=np.float32)[:, None]
    scaling = Scaling(torch.zeros(1), torch.ones(1))
    return ArrayBatches(examples.samples(numbers, np.arange(rows)), scaling=scaling)


def batches_of_steps(steps: Iterable[Step]) -> list[Batch]:
    return [batch for step in steps for batch in step.batches]


def visited(table: ArrayBatches, rows: np.ndarray, batch_size: int, *, seed: int = 0) -> list[list[int]]:
    batches = table.shuffled(rows, batch_size, rng=np.random.default_rng(seed), augment=False)
    return [labels.tolist() for [(_, labels)], _ in batches]


@given(st.integers(2, 50), st.integers(1, 5), st.floats(-100, 100), st.floats(0.1, 100), st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_scaled_vectors_are_those_of_numpy(rows: int, features: int, mean: float, std: float, seed: int) -> None:
    inputs = (examples.random_vectors(rows, features=features, seed=seed).inputs * std + mean).astype(np.float32)

    scaled = Scaling.of(examples.samples(inputs, np.arange(rows))).apply(torch.from_numpy(inputs.copy()))

    wide = inputs.astype(np.float64)
    expected = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    np.testing.assert_allclose(scaled.numpy(), expected, atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_scaled_by_colour_channel(channels: int) -> None:
    samples = examples.random_images(20, channels=channels)

    scaled = Scaling.of(samples).apply(torch.from_numpy(samples.inputs)).numpy()

    wide = samples.inputs.astype(np.float64)
    mean, std = wide.mean(axis=(0, 2, 3), keepdims=True), wide.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(scaled, (wide - mean) / std, atol=1e-5)


def test_the_statistics_span_the_chunks_they_are_gathered_in() -> None:
    samples = examples.random_vectors(CHUNK + 100)
    samples.inputs[CHUNK:] += 50

    scaling = Scaling.of(samples)

    np.testing.assert_allclose(scaling.mean, samples.inputs.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(scaling.std, samples.inputs.std(axis=0, dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.0, 1e6, 1e-9])
def test_a_constant_feature_becomes_zero(constant: float) -> None:
    inputs = np.full((1000, 1), constant, np.float32)

    scaling = Scaling.of(examples.samples(inputs, np.arange(1000) % 2))

    assert scaling.std.tolist() == [1.0]
    np.testing.assert_allclose(scaling.apply(torch.from_numpy(inputs)), 0, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1, 1e9])
def test_a_feature_is_scaled_alike_in_every_unit(unit: float) -> None:
    metres = examples.random_vectors(100, features=1)

    scaled = [
        Scaling.of(examples.samples(inputs, metres.labels)).apply(torch.from_numpy(inputs.copy()))
        for inputs in (metres.inputs, (metres.inputs * unit).astype(np.float32))
    ]

    np.testing.assert_allclose(scaled[0], scaled[1], rtol=1e-4, atol=1e-5)


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 5))
@settings(deadline=None, max_examples=50)
def test_every_row_is_seen_once_but_for_one_that_would_be_alone(rows: int, batch_size: int, seed: int) -> None:
    batches = visited(counted(rows), np.arange(rows), batch_size, seed=seed)

    seen = sorted(row for batch in batches for row in batch)
    assert len(set(seen)) == len(seen) == rows - (rows % batch_size == 1)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}


def test_a_last_batch_of_a_single_row_is_left_out() -> None:
    sizes = [len(batch) for batch in visited(counted(9), np.arange(9), 4)]

    assert sizes == [4, 4]


@pytest.mark.parametrize("rows", [[], [3]])
def test_no_row_and_a_single_row_make_no_batch(rows: list[int]) -> None:
    assert visited(counted(9), np.array(rows, np.int64), 4) == []


def test_only_the_rows_asked_for_are_seen() -> None:
    rows = np.array([1, 3, 5, 7])

    batches = visited(counted(9), rows, 2)

    assert sorted(row for batch in batches for row in batch) == rows.tolist()


def test_the_order_is_the_seeds() -> None:
    first, again, other = (visited(counted(50), np.arange(50), 8, seed=seed) for seed in (1, 1, 2))

    assert first == again != other
    assert list(itertools.chain(*first)) != list(range(50))


def test_inputs_stay_with_their_labels() -> None:
    numbers = counted(30)

    for inputs, labels in (
        *batches_of_steps(numbers.shuffled(np.arange(30), 7, rng=np.random.default_rng(0), augment=False)),
        *numbers.in_order(np.arange(30)),
    ):
        assert inputs[:, 0].tolist() == labels.tolist()


def test_measuring_keeps_the_order_it_is_given() -> None:
    rows = np.array([5, 2, 8, 0])

    labels = [label for _, batch in counted(9).in_order(rows) for label in batch.tolist()]

    assert labels == rows.tolist()


def test_only_what_is_to_be_augmented_is() -> None:
    samples = examples.random_images(40)
    images = table(samples)

    plain, moved = (
        next(images.shuffled(np.arange(40), 40, rng=np.random.default_rng(0), augment=augment)).batches[0][0]
        for augment in (False, True)
    )

    assert torch.equal(plain.sort(dim=0).values, next(images.in_order(np.arange(40)))[0].sort(dim=0).values)
    assert plain.shape == moved.shape
    assert not torch.equal(plain, moved)


def test_training_does_not_change_the_table() -> None:
    samples = examples.random_vectors(40)
    before = samples.inputs.copy()

    list(table(samples).shuffled(np.arange(40), 8, rng=np.random.default_rng(0), augment=False))
    list(table(samples).in_order(np.arange(40)))

    np.testing.assert_array_equal(samples.inputs, before)


@pytest.mark.parametrize("parts", [2, 3, 64])
def test_a_batch_that_is_cut_up_teaches_the_same(parts: int) -> None:
    samples, proxy = (
        examples.random_vectors(50, classes=3),
        resolve_proxy(ProxySpec(name="mlp", epochs=2, batch_size=25)),
    )
    whole, cut = (fit(samples, np.arange(50), proxy=replace(proxy, batch_parts=n), seed=0) for n in (1, parts))

    for one, other in zip(whole.trainer.model.parameters(), cut.trainer.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    steps = list(cut.table.shuffled(np.arange(50), 25, rng=np.random.default_rng(0), augment=False))
    assert [len(step.batches) for step in steps] == 2 * [min(parts, 12)]
    assert min(len(labels) for _, labels in batches_of_steps(steps)) > 1, "batch normalization needs two"
