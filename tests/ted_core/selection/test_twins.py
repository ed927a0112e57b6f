"""Two models, and every sample is measured by the one that has never trained on it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build, weights_digest
from ted_core.selection.twins import Twins, initial_seeds
from ted_core.training.predictions import Predictions
from tests.reference import ted
from tests.ted_core import examples

SAMPLES = examples.random_vectors(50, classes=3)


def twins(samples: Samples = SAMPLES, *, seed: int = 0, **choices: Any) -> Twins:
    proxy = resolve_proxy(ProxySpec.model_validate({"name": "mlp", "epochs": 30, "batch_size": 8} | choices))
    return Twins(samples, proxy, seed=seed, device="cpu")


def trained(pair: Twins, *, epochs: int = 1, retained: np.ndarray | None = None) -> list[float]:
    mask = np.ones(len(pair.folds[0]), bool) if retained is None else retained
    return [pair.train_epoch(mask, number=number, count_rows=lambda _: None) for number in range(epochs)]


@dataclass
class Recorder:
    """Stands in for a trainer and remembers which rows it is given."""

    name: int
    trained: list[int] = field(default_factory=list)
    measured: list[int] = field(default_factory=list)
    random_numbers: list[float] = field(default_factory=list)

    def train_epoch(self, _: object, rows: np.ndarray, *, rng: np.random.Generator, **__: object) -> float:
        self.trained += rows.tolist()
        self.random_numbers.append(rng.random())
        return float(self.name)

    def predictions(self, _: object, rows: np.ndarray) -> Predictions:
        self.measured += rows.tolist()
        told = rows + self.name / 10, rows % 2, -rows - self.name / 10
        return Predictions(*(values.astype(np.float32) for values in told))


def recording(*, seed: int = 0) -> Twins:
    pair = twins(seed=seed)
    pair.trainers = {0: Recorder(0), 1: Recorder(1)}  # type: ignore[dict-item]
    return pair


@pytest.fixture
def recorded() -> Twins:
    return recording()


@given(st.integers(2, 99), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_the_folds_are_complementary_halves(rows: int, seed: int) -> None:
    first, second = twins(examples.random_vectors(rows), seed=seed).folds

    assert (first ^ second).all()
    assert first.sum() == rows // 2


def test_the_folds_are_the_seeds_and_no_other_seed_has_them() -> None:
    first, again, other = (twins(seed=seed).folds[0].tolist() for seed in (1, 1, 2))

    assert first == again != other


def test_no_twin_trains_on_what_it_measures_and_together_they_measure_everything(recorded: Twins) -> None:
    trained(recorded)
    recorded.out_of_sample_predictions()

    a, b = recorded.trainers.values()
    everything = list(range(50))
    assert sorted(a.trained + a.measured) == sorted(b.trained + b.measured) == everything
    assert sorted(a.measured + b.measured) == sorted(a.trained + b.trained) == everything


def test_pruned_samples_are_measured_but_not_trained_on(recorded: Twins) -> None:
    retained = np.arange(50) % 5 > 0

    trained(recorded, retained=retained)
    recorded.out_of_sample_predictions()

    a, b = recorded.trainers.values()
    assert sorted(a.trained + b.trained) == np.flatnonzero(retained).tolist()
    assert sorted(a.measured + b.measured) == list(range(50))


def test_every_measurement_lands_on_its_own_sample(recorded: Twins) -> None:
    measured = recorded.out_of_sample_predictions()

    by_hand = [row + (0.0 if recorded.folds[0][row] else 0.1) for row in range(50)]
    assert measured.performance.tolist() == pytest.approx(by_hand)
    assert measured.right.tolist() == [row % 2 for row in range(50)]
    assert measured.margin.tolist() == pytest.approx([-value for value in by_hand])


def test_the_loss_is_the_mean_of_the_twins(recorded: Twins) -> None:
    assert trained(recorded) == [0.5]


def test_what_is_measured_is_what_a_plain_loop_finds() -> None:
    pair, labels = twins(), SAMPLES.labels.tolist()
    trained(pair, epochs=5)

    measured = pair.out_of_sample_predictions()

    def by_hand(row: int) -> list[float]:
        twin = pair.trainers[0] if pair.folds[0][row] else pair.trainers[1]
        scaled = pair.table.scaling.apply(torch.from_numpy(SAMPLES.inputs[row : row + 1].copy()))
        return ted.softmax(twin.model.eval()(scaled)[0].tolist())

    found = [by_hand(row) for row in range(50)]
    assert measured.performance.tolist() == pytest.approx([found[row][labels[row]] for row in range(50)], rel=1e-4)
    assert measured.margin.tolist() == pytest.approx(
        [ted.margin(found[row], labels[row]) for row in range(50)], abs=1e-5
    )


def test_labels_without_rhyme_or_reason_are_learned_by_heart_yet_never_generalized() -> None:
    samples = examples.random_vectors(200, features=64)
    pair = twins(samples)

    trained(pair, epochs=30)

    in_sample = [
        twin.performance(pair.table, np.flatnonzero(~fold)).mean()
        for twin, fold in zip(pair.trainers.values(), pair.folds, strict=True)
    ]
    assert min(in_sample) > 0.95
    assert pair.out_of_sample_predictions().performance.mean() < 0.6


def test_every_twin_of_every_seed_has_an_order_of_its_own() -> None:
    pairs = [recording(seed=seed) for seed in (1, 2)]
    for pair in pairs:
        trained(pair)

    assert len({twin.random_numbers[0] for pair in pairs for twin in pair.trainers.values()}) == 4


def test_the_twins_start_from_different_weights_that_the_seed_decides() -> None:
    digests = [weights_digest(trainer.model) for seed in (1, 1, 2) for trainer in twins(seed=seed).trainers.values()]

    assert digests[:2] == digests[2:4]
    assert len(set(digests)) == 4


def test_the_initial_seeds_tell_how_to_rebuild_the_twins() -> None:
    rebuilt = [
        weights_digest(build(resolve_proxy(ProxySpec(name="mlp")), SAMPLES, seed=seed)) for seed in initial_seeds(7)
    ]

    assert rebuilt == [weights_digest(trainer.model) for trainer in twins(seed=7).trainers.values()]


def test_equal_seeds_measure_the_same_bit_for_bit() -> None:
    measured = []
    for seed in (1, 1, 2):
        pair = twins(seed=seed)
        trained(pair, epochs=3)
        measured.append(pair.out_of_sample_predictions().performance.tobytes())

    assert measured[0] == measured[1] != measured[2]
