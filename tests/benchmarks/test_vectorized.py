"""Many models trained at once are the models that would be trained one by one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import digits
from benchmarks.vectorized import TrainingRun, fit_together, in_groups
from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.training.trainer import fit
from tests.ted_core import examples

TRAIN, TEST = digits(Path(), Path())


def training(**choices: object) -> ResolvedProxy:
    return resolve_proxy(ProxySpec.model_validate({"name": "mlp", "epochs": 4} | choices))


def runs(count: int, *, rows: int) -> list[TrainingRun]:
    rng = np.random.default_rng(0)
    return [TrainingRun(np.sort(rng.permutation(len(TRAIN))[:rows]), seed) for seed in range(count)]


def performances_one_by_one(samples: Samples, runs: Sequence[TrainingRun], proxy: ResolvedProxy) -> np.ndarray:
    fitted = [fit(samples, run.rows, proxy=proxy, seed=run.seed) for run in runs]
    everything = np.arange(len(samples))
    return np.stack([model.trainer.performance(model.table, everything) for model in fitted])


@pytest.mark.parametrize("rows", [640, 641, 700])
def test_models_trained_at_once_are_those_trained_one_by_one(rows: int) -> None:
    proxy, several = training(), runs(3, rows=rows)

    together = fit_together(TRAIN, several, proxy=proxy)

    alone = [fit(TRAIN, run.rows, proxy=proxy, seed=run.seed).accuracy(TEST) for run in several]
    assert together.accuracy(TEST) == pytest.approx(alone)
    assert together.performance() == pytest.approx(performances_one_by_one(TRAIN, several, proxy), abs=1e-4)
    assert len(set(alone)) > 1


def test_images_are_flattened_as_the_perceptron_flattens_them() -> None:
    images, proxy = examples.random_images(60, channels=3, classes=3), training(batch_size=16)
    run = TrainingRun(np.arange(60), 5)

    together = fit_together(images, [run], proxy=proxy)

    assert together.performance() == pytest.approx(performances_one_by_one(images, [run], proxy), abs=1e-4)


def test_a_group_holds_no_more_runs_than_asked_for() -> None:
    several = runs(5, rows=10)

    groups = list(in_groups(several, size=2))

    assert [len(group) for group in groups] == [2, 2, 1]
    assert [run for group in groups for run in group] == several
