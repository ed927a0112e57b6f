"""A loss that has risen is divergence, though it is finite; chance, noise and a difficult end of training are none."""

import math

import numpy as np
import pytest

from ted_core.datasets import Samples
from ted_core.errors import TrainingDiverged
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.selection.prune import prune
from ted_core.training.divergence import has_risen, require_descent
from ted_core.training.trainer import Trainer, batches_of
from tests.ted_core import examples

TWO_CLASSES, TEN_CLASSES = math.log(2), math.log(10)


@pytest.mark.parametrize(
    ("start", "loss"),
    [(TWO_CLASSES, 1.7), (TWO_CLASSES, 12_052.0), (TEN_CLASSES, 4.7), (TEN_CLASSES, 1e30), (0.05, 1.1)],
)
def test_more_than_twice_the_loss_and_more_than_a_nat_above_is_a_rise(start: float, loss: float) -> None:
    assert has_risen(loss, start=start)


@pytest.mark.parametrize(
    ("start", "loss"),
    [(TWO_CLASSES, 0.01), (TWO_CLASSES, 1.6), (TEN_CLASSES, 4.5), (0.05, 0.9), (50.0, 60.0)],
)
def test_less_may_be_noise_or_a_bad_start(start: float, loss: float) -> None:
    assert not has_risen(loss, start=start)


def test_both_losses_are_named_and_the_field_that_decides() -> None:
    with pytest.raises(TrainingDiverged, match=r"0\.6931 before training and 1\.205e\+04 after it") as diverged:
        require_descent(12_052.0, start=TWO_CLASSES)

    assert diverged.value.field == "proxy.learning_rate"


def test_a_model_that_predicts_unseen_rows_well_has_not_diverged_on_the_hard_rows_that_it_was_left_with() -> None:
    require_descent(9.0, start=TWO_CLASSES, unseen=0.4)


def test_a_model_that_fits_its_rows_has_not_diverged_though_it_is_surely_wrong_about_others() -> None:
    require_descent(0.01, start=TWO_CLASSES, unseen=9.0)


@pytest.mark.parametrize("plan", [{}, {"score": "parameter"}, {"method": "el2n"}], ids=str)
def test_digits_at_a_learning_rate_of_ten_end_the_run(digits: Samples, plan: dict[str, str]) -> None:
    asked = PruningPlan.model_validate({"keep_ratio": 0.5, "q": 1.0} | plan)

    with pytest.raises(TrainingDiverged, match="before training") as diverged:
        list(prune(digits, asked, proxy=ProxySpec(name="mlp", learning_rate=10, epochs=4)))

    assert diverged.value.field == "proxy.learning_rate"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("q", [0.125, 9.0])
def test_labels_that_are_half_wrong_end_no_run_however_hard_the_rows_that_are_left(seed: int, q: float) -> None:
    rng = np.random.default_rng(seed)
    samples = examples.random_vectors(300, features=64, seed=seed)
    lie = np.where(rng.random(300) < 0.5, samples.labels, samples.inputs[:, 0] > 0)

    *_, final = prune(
        examples.samples(samples.inputs, lie),
        PruningPlan(keep_ratio=0.1, q=q, seed=seed),
        proxy=ProxySpec(name="mlp", epochs=60),
    )

    assert final.retained.sum() == 30


def test_the_start_is_the_loss_of_the_untrained_model_and_outlives_an_interruption() -> None:
    samples, proxy = examples.random_vectors(64, classes=4), resolve_proxy(ProxySpec(name="mlp", epochs=2))
    trainer, resumed = (Trainer(build(proxy, samples, seed=1), proxy, device="cpu") for _ in range(2))
    table, rows = batches_of(samples, proxy), np.arange(64)
    before = float(-np.log(trainer.performance(table, rows)).mean())

    first = trainer.train_epoch(table, rows, number=0, rng=np.random.default_rng(0))
    resumed.load_state_dict(trainer.state_dict())
    trainer.train_epoch(table, rows, number=1, rng=np.random.default_rng(0))

    assert trainer.start_loss == resumed.start_loss == pytest.approx(first, rel=1e-5)
    assert before == pytest.approx(first, rel=0.2)
