"""What a model that learns says of the gradients of its rows."""

import numpy as np
import pytest
import torch

from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build, weights_digest
from ted_core.training import trainer
from ted_core.training.batches import ArrayBatches, Scaling
from ted_core.training.gradients import Curvature, gradient_norms, preconditioned_norms
from ted_core.training.measuring import MEASURING_BATCH
from ted_core.training.trainer import Trainer
from tests.ted_core import examples


def trainee(samples: Samples, name: str = "mlp") -> tuple[Trainer, ArrayBatches]:
    table = ArrayBatches(samples, scaling=Scaling.of(samples))
    return Trainer(
        build(resolve_proxy(ProxySpec(name=name)), samples, seed=0), resolve_proxy(ProxySpec(name=name)), device="cpu"
    ), table


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_each_row_has_its_own_norm_in_the_metric_of_the_other_rows() -> None:
    model, table = trainee(examples.random_vectors(30))
    rows, others = np.array([7, 3, 3, 29]), np.arange(10, 20)

    measured = model.gradient_norm(table, rows, curvature_rows=others, rng=rng())

    curvature = Curvature.of(model.model, table.in_order(others))
    (batch,) = table.in_order(rows)
    expected = preconditioned_norms(model.model, *batch, curvature)
    np.testing.assert_allclose(measured, expected.numpy(), rtol=1e-4)
    assert measured.dtype == np.float32
    assert measured[1] == measured[2] != measured[0]


def test_measuring_gradients_changes_nothing() -> None:
    model, table = trainee(examples.random_images(20), "cnn")
    before = weights_digest(model.model)

    first, again = (
        model.gradient_norm(table, np.arange(20), curvature_rows=np.arange(20), rng=rng()) for _ in range(2)
    )

    assert weights_digest(model.model) == before
    np.testing.assert_array_equal(first, again)


def test_more_rows_than_a_batch_are_measured_in_order() -> None:
    model, table = trainee(examples.random_vectors(MEASURING_BATCH + 5))
    rows = np.arange(MEASURING_BATCH + 5)

    forwards = model.gradient_norm(table, rows, curvature_rows=rows, rng=rng())
    backwards = model.gradient_norm(table, rows[::-1].copy(), curvature_rows=rows, rng=rng())

    np.testing.assert_allclose(forwards, backwards[::-1], rtol=1e-4)


def test_of_many_rows_a_fixed_draw_gives_the_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    model, table = trainee(examples.random_vectors(30))
    drawn: list[torch.Tensor] = []
    estimate = Curvature.of

    def watched(model: torch.nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> Curvature:
        drawn.append(torch.cat([inputs for inputs, _ in batches]))
        return estimate(model, [(drawn[-1], torch.zeros(len(drawn[-1]), dtype=torch.int64))])

    monkeypatch.setattr(trainer, "MOST_CURVATURE_ROWS", 10)
    monkeypatch.setattr(trainer.Curvature, "of", lambda model, batches: watched(model, list(batches)))
    for _ in range(2):
        model.gradient_norm(table, np.arange(5), curvature_rows=np.arange(30), rng=rng())

    assert torch.equal(*drawn)
    assert len(drawn[0]) == len(torch.unique(drawn[0], dim=0)) == 10
    assert not torch.equal(drawn[0], next(table.in_order(np.arange(10)))[0])


def test_no_rows_have_no_gradients_and_without_curvature_the_metric_is_euclidean() -> None:
    model, table = trainee(examples.random_vectors(10))
    none = np.zeros(0, np.int64)

    assert model.gradient_norm(table, none, curvature_rows=np.arange(10), rng=rng()).shape == (0,)
    inputs, labels = next(table.in_order(np.arange(10)))
    plain = gradient_norms(model.model, inputs, labels).numpy()
    assert model.gradient_norm(table, np.arange(10), curvature_rows=none, rng=rng()).tolist() == pytest.approx(
        plain.tolist()
    )
