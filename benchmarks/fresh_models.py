"""Train fresh models from scratch on what was selected, and test them on the test samples."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.training.batches import ArrayBatches, RowIndices, Step
from ted_core.training.trainer import FittedModel, Trainer, batches_of, learning_rate_share


def training_seed(seed: int) -> int:
    """Return a seed of the fresh model's own, so that it shares no initial weights or orders with the proxies."""
    return stream_seed(seed, BenchmarkStream.FRESH_MODELS)


def train_fresh_model(
    samples: Samples, rows_of_epochs: Sequence[RowIndices], *, proxy: ResolvedProxy, seed: int
) -> FittedModel:
    """Train a fresh model on given rows in each epoch; if they are the same in all, it equals the result of ``fit``."""
    table = batches_of(samples, proxy)
    scheduled = proxy.with_training(epochs=len(rows_of_epochs))
    trainer = Trainer(build(proxy, samples, seed=stream_seed(seed, Stream.FIT_WEIGHTS)), scheduled, device="cpu")
    for epoch, rows in enumerate(rows_of_epochs):
        trainer.train_epoch(table, rows, number=epoch, rng=stream_rng(seed, Stream.FIT_BATCHES, epoch))
    return FittedModel(trainer, table)


@dataclass(frozen=True)
class TrainingPass:
    """Rows that are visited once, in random order, and what their losses are multiplied by."""

    rows: RowIndices
    weights: Float32[np.ndarray, " rows"]


Passes = Callable[[Float32[np.ndarray, " samples"], int], TrainingPass]
"""(each sample's loss when it was last trained on, NaN before; row visits so far) → the next pass."""


def train_weighted_model(
    samples: Samples, passes: Passes, *, visits: int, proxy: ResolvedProxy, seed: int
) -> FittedModel:
    """Train a fresh model pass by pass until so many rows are visited; the learning rate follows the visits.

    A batch's loss is the mean over its rows of weight x loss. With all weights 1 and the same number of rows in every
    pass, it is ``train_fresh_model`` up to rounding.
    """
    run = WeightedRun(samples, proxy, seed=seed, visits=visits)
    while run.visited < visits:
        run.train_pass(passes(run.losses, run.visited))
    return FittedModel(run.trainer, batches_of(samples, proxy))


class WeightedRun:
    """A model in training whose rows have weights, and each row's last loss."""

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, seed: int, visits: int) -> None:
        model = build(proxy, samples, seed=stream_seed(seed, Stream.FIT_WEIGHTS))
        self.trainer = Trainer(model, proxy, device="cpu")
        self.seed, self.passes, self.visits, self.visited = seed, 0, visits, 0
        self.losses = np.full(len(samples), np.nan, np.float32)
        self.table = batches_of(samples, proxy)
        self.labels = torch.from_numpy(samples.labels)
        assert isinstance(self.table, ArrayBatches), "only images and vectors are trained on with weights"  # noqa: S101
        self.table.labels = torch.arange(len(samples))  # batches then say which rows they hold

    def train_pass(self, one: TrainingPass) -> None:
        """Visit the rows of one pass. A last batch of a single row is left out, but counted."""
        training, weights = self.trainer.proxy.training, torch.zeros(len(self.losses))
        rng = stream_rng(self.seed, Stream.FIT_BATCHES, self.passes)
        weights[torch.from_numpy(one.rows)] = torch.from_numpy(one.weights)
        self.trainer.model.train()
        done = self.visited
        for step in self.table.shuffled(one.rows, training.batch_size, rng=rng, augment=training.augment):
            self._step(step, weights, share=done / self.visits)
            done += step.rows
        self.visited, self.passes = self.visited + len(one.rows), self.passes + 1

    def _step(self, step: Step, weights: Float32[Tensor, " samples"], *, share: float) -> None:
        for group in self.trainer.optimizer.param_groups:
            group["lr"] = self.trainer.proxy.training.learning_rate * learning_rate_share(share)
        self.trainer.optimizer.zero_grad()
        for inputs, rows in step.batches:
            losses = self.table.task.loss(self.trainer.outputs(inputs), self.labels[rows])
            (weights[rows] * losses).sum().div(step.rows).backward()  # type: ignore[no-untyped-call]
            self.losses[rows.numpy()] = losses.detach().numpy()
        self.trainer.optimizer.step()


@dataclass(frozen=True)
class Evaluation:
    """How a fresh model does on the test samples, as shares of them."""

    accuracy: float
    worst_class_accuracy: float
    """Of the class that fares worst."""
    seconds: float
    """That training took."""


def evaluate_fresh_model(train: Callable[[], FittedModel], test: Samples) -> Evaluation:
    """Train and test."""
    began = time.perf_counter()
    fitted = train()
    seconds = time.perf_counter() - began
    hits = predictions(fitted, test) == test.labels
    return Evaluation(
        float(hits.mean()), min(float(hits[test.labels == c].mean()) for c in np.unique(test.labels)), seconds
    )


@torch.inference_mode()
def predictions(fitted: FittedModel, samples: Samples) -> Int64[np.ndarray, " samples"]:
    """Return the class that the model finds most likely for each sample."""
    table = fitted.table.like(samples)
    fitted.trainer.model.eval()
    batches = [fitted.trainer.outputs(x).argmax(1) for x, _ in table.in_order(np.arange(len(samples)))]
    return torch.cat(batches).numpy()
