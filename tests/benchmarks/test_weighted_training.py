"""Training with weights: weights of one change nothing, others multiply each row's own gradient."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmarks.datasets import at_most, digits
from benchmarks.fresh_models import TrainingPass, WeightedRun, train_fresh_model, train_weighted_model
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.training.batches import Scaling
from ted_core.training.trainer import learning_rate_share

TRAIN = at_most(digits(Path(), Path())[0], 90)
PROXY = resolve_proxy(ProxySpec(name="mlp", epochs=3, batch_size=32))
ROWS = np.arange(0, 90, 2)


def whole(weights: np.ndarray) -> TrainingPass:
    return TrainingPass(ROWS, weights.astype(np.float32))


def close(model: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(one, two, atol=1e-5) for one, two in pairs)


def test_weights_of_one_change_nothing() -> None:
    weighted = train_weighted_model(TRAIN, lambda _, __: whole(np.ones(45)), visits=3 * 45, proxy=PROXY, seed=7)

    assert close(weighted.trainer.model, train_fresh_model(TRAIN, [ROWS] * 3, proxy=PROXY, seed=7).trainer.model)


def slowly_trained(weights: np.ndarray, *, epochs: int) -> torch.nn.Module:
    """One backward pass for each row."""
    model = build(PROXY, TRAIN, seed=stream_seed(7, Stream.FIT_WEIGHTS))
    training, weight_of = PROXY.training, dict(zip(ROWS.tolist(), weights.tolist(), strict=True))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=training.weight_decay)
    inputs = Scaling.of(TRAIN).apply(torch.tensor(TRAIN.inputs))
    for epoch in range(epochs):
        order = stream_rng(7, Stream.FIT_BATCHES, epoch).permutation(ROWS).tolist()
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            share = learning_rate_share((epoch * len(order) + start) / (epochs * len(order)))
            optimizer.param_groups[0]["lr"] = training.learning_rate * share
            optimizer.zero_grad()
            for row in batch:
                loss = cross_entropy(model(inputs[[row]]), torch.tensor([TRAIN.labels[row]]))
                (weight_of[row] * loss / len(batch)).backward()
            optimizer.step()
    return model


def test_each_rows_gradient_is_multiplied_by_its_weight() -> None:
    weights = np.random.default_rng(0).uniform(0, 3, 45)

    weighted = train_weighted_model(TRAIN, lambda _, __: whole(weights), visits=3 * 45, proxy=PROXY, seed=7)

    assert close(weighted.trainer.model, slowly_trained(weights, epochs=3))
    assert not close(weighted.trainer.model, slowly_trained(np.ones(45), epochs=3))


def test_passes_are_told_each_rows_last_loss_and_how_many_rows_were_visited() -> None:
    told: list[tuple[np.ndarray, int]] = []

    def passes(losses: np.ndarray, done: int) -> TrainingPass:
        told.append((losses.copy(), done))
        return whole(np.ones(45))

    train_weighted_model(TRAIN, passes, visits=2 * 45, proxy=PROXY, seed=7)

    (before, none), (after, all_rows) = told
    assert (none, all_rows) == (0, 45)
    assert np.isnan(before).all()
    assert np.flatnonzero(~np.isnan(after)).tolist() == ROWS.tolist()


def test_the_loss_that_is_told_is_without_its_weight() -> None:
    runs = [WeightedRun(TRAIN, PROXY, seed=7, visits=45) for _ in range(2)]

    for run, weight in zip(runs, (1.0, 5.0), strict=True):
        run.train_pass(whole(np.full(45, weight)))

    first = stream_rng(7, Stream.FIT_BATCHES, 0).permutation(ROWS)[:32]  # before any step the models are the same
    assert runs[0].losses[first] == pytest.approx(runs[1].losses[first])
