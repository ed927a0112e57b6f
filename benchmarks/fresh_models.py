"""Train fresh models from scratch on what was selected, and test them on the test samples."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.training.batches import RowIndices
from ted_core.training.trainer import FittedModel, Trainer, batches_of


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
class Evaluation:
    """How a fresh model does on the test samples, as shares of them."""

    accuracy: float
    worst_class_accuracy: float
    """Of the class that fares worst."""
    seconds: float
    """That training took."""


def evaluate_fresh_model(
    samples: Samples, rows_of_epochs: Sequence[RowIndices], *, proxy: ResolvedProxy, seed: int, test: Samples
) -> Evaluation:
    """Train and test."""
    began = time.perf_counter()
    fitted = train_fresh_model(samples, rows_of_epochs, proxy=proxy, seed=training_seed(seed))
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
    batches = [fitted.trainer.model(x).argmax(1) for x, _ in table.in_order(np.arange(len(samples)))]
    return torch.cat(batches).numpy()
