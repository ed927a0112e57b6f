"""One ordinary training run on all samples, observed: what baselines score samples by.

After each epoch every sample is measured under the current model, in eval mode and without augmentation. Forgetting,
AUM and DUAL were defined on the predictions that training makes anyway, in mini-batches: in train mode, augmented, and
under a less trained model the earlier the batch comes. Measuring at the ends of epochs shows all samples to the same
model, so that their scores can be compared; it costs one more forward pass over the samples per epoch, which
``samples_measured`` counts. What augmentation adds to the fluctuations is lost.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt16
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.errors import TooFewRounds
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.row_count import CountRows
from ted_core.selection.feasibility import FEWEST_WATCHED_EPOCHS
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.rounds import ProgressCallback, ignore_progress
from ted_core.training.batches import Batches, measure_rows
from ted_core.training.divergence import require_descent
from ted_core.training.trainer import Trainer, batches_of

DUAL_SHARE, DUAL_WINDOW_SHARE = 0.15, 1 / 3
"""DUAL watches 30 of 200 epochs through a window of 10 (Cho et al. 2025, arXiv 2502.06905)."""
FEWEST_DUAL_EPOCHS, SHORTEST_DUAL_WINDOW = 6, 3
"""Ours, for short runs: a deviation over fewer than three epochs, or the mean over a single window, says little."""

Measure = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(model in eval mode, inputs, labels) → one number or row of numbers for each sample."""


@dataclass(frozen=True)
class TrainingCost:
    """What a method's training cost; the names are those of ``Round``."""

    train_loss: float | None
    samples_trained: int
    samples_measured: int


@dataclass(frozen=True)
class Epoch:
    """Every sample at the end of one epoch."""

    probability: Float32[np.ndarray, " samples"]
    """Of the true label."""
    margin: Float32[np.ndarray, " samples"]
    """That, minus the largest probability of another label."""
    right: Bool[np.ndarray, " samples"]
    """Whether the most likely label is the true one."""


@dataclass(frozen=True)
class Observation:
    """What a run's epochs add up to; one entry per sample."""

    epochs: int
    probability: Float32[np.ndarray, " samples"]
    """Of the true label, mean over the epochs: the in-sample performance."""
    margin: Float32[np.ndarray, " samples"]
    """Mean over the epochs."""
    forgotten: UInt16[np.ndarray, " samples"]
    """How often the sample was predicted rightly after one epoch and wrongly after the next."""
    learned: Bool[np.ndarray, " samples"]
    """Whether it was predicted rightly after any epoch."""
    dual: Float32[np.ndarray, " samples"]
    """(1 - mean) x standard deviation of the probability in a window, mean over the windows of DUAL's epochs."""
    dual_probability: Float32[np.ndarray, " samples"]
    """Of the true label, mean over DUAL's epochs."""
    cost: TrainingCost


def dual_epochs(epochs: int) -> int:
    """The number of a run's epochs that DUAL watches: 15 %, at least 6, never more than there are."""
    return min(max(round(DUAL_SHARE * epochs), FEWEST_DUAL_EPOCHS), epochs)


def dual_window(watched: int) -> int:
    """The epochs in one window: a third of those that DUAL watches, at least 3, never more than there are."""
    return min(max(round(DUAL_WINDOW_SHARE * watched), SHORTEST_DUAL_WINDOW), watched)


class Collector:
    """Running sums over the epochs of a run. Only as many epochs as DUAL's window holds are remembered."""

    def __init__(self, samples: int, *, epochs: int) -> None:
        """``epochs`` are those of the whole schedule, whether or not all of them will be observed."""
        self.epochs, self.watched = 0, dual_epochs(epochs)
        self.window: deque[Float32[np.ndarray, " samples"]] = deque(maxlen=dual_window(self.watched))
        self.probability, self.margin = np.zeros(samples), np.zeros(samples)
        self.forgotten = np.zeros(samples, np.uint16)
        self.right, self.learned = np.zeros(samples, bool), np.zeros(samples, bool)
        self.dual, self.windows = np.zeros(samples), 0
        self.dual_probability = np.zeros(samples)

    def add(self, epoch: Epoch) -> None:
        """Add the next epoch."""
        self.epochs += 1
        self.probability += epoch.probability
        self.margin += epoch.margin
        self.forgotten += self.right & ~epoch.right
        self.right = epoch.right
        self.learned |= epoch.right
        if self.epochs <= self.watched:
            self._watch(epoch.probability)

    def _watch(self, probability: Float32[np.ndarray, " samples"]) -> None:
        self.dual_probability += probability
        self.window.append(probability)
        if len(self.window) == self.window.maxlen:
            window = np.stack(self.window)
            self.dual += (1 - window.mean(0)) * window.std(0, ddof=1)
            self.windows += 1

    def observation(self, cost: TrainingCost) -> Observation:
        """The means so far, with what they cost."""
        return Observation(
            epochs=self.epochs,
            probability=(self.probability / self.epochs).astype(np.float32),
            margin=(self.margin / self.epochs).astype(np.float32),
            forgotten=self.forgotten.copy(),
            learned=self.learned.copy(),
            dual=(self.dual / max(self.windows, 1)).astype(np.float32),
            dual_probability=(self.dual_probability / min(self.epochs, self.watched)).astype(np.float32),
            cost=cost,
        )


class Run:
    """The training of one model on all samples. Runs of one seed differ by number, in weights and in order."""

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, table: Batches, seed: int, number: int = 0) -> None:
        model = build(proxy, samples, seed=stream_seed(seed, Stream.BASELINE_WEIGHTS, number))
        self.trainer = Trainer(model, proxy, device=str(table.device))
        self.table, self.rows = table, np.arange(len(samples))
        self.seed, self.number = seed, number

    def train_epoch(self, epoch: int, *, count_rows: CountRows) -> float:
        """Train for one epoch, counted from 0, and return its mean loss. Raises TrainingDiverged."""
        rng = stream_rng(self.seed, Stream.BASELINE_BATCHES, self.number, epoch)
        return self.trainer.train_epoch(self.table, self.rows, number=epoch, rng=rng, count_rows=count_rows)

    def require_descent(self, loss: float) -> None:
        """Raise TrainingDiverged if the loss of its last epoch lies far above that of the untrained model."""
        assert self.trainer.start_loss is not None, "a run is judged after its training"  # noqa: S101
        require_descent(loss, start=self.trainer.start_loss)

    def measure(self, measure: Measure) -> Float32[np.ndarray, "samples ..."]:
        """The measure of every sample under the current model. Raises TrainingDiverged."""
        self.trainer.model.eval()
        return measure_rows(self.table, self.rows, partial(measure, self.trainer.model))


def observe(
    samples: Samples,
    proxy: ResolvedProxy,
    *,
    seed: int,
    device: str = "cpu",
    epochs: int | None = None,
    watch: ProgressCallback = ignore_progress,
) -> Observation:
    """Observe a training run on all samples, over its first ``epochs`` or all of them; the schedule is that of all.

    Raises TooFewRounds, TrainingDiverged.
    """
    epochs = epochs or proxy.training.epochs
    if epochs < FEWEST_WATCHED_EPOCHS:
        raise TooFewRounds(f"{epochs} epochs show too little of training", field="proxy.epochs")
    run = Run(samples, proxy, table=batches_of(samples, proxy, device=device), seed=seed)
    collector = Collector(len(samples), epochs=proxy.training.epochs)
    progress = ProgressCounter(watch, rounds=1, work=epochs * len(samples))
    for epoch in range(epochs):
        loss = run.train_epoch(epoch, count_rows=progress.count_trained)
        collector.add(_epoch(run.measure(predictions)))
        progress.count_measured(len(samples))
    run.require_descent(loss)
    return collector.observation(TrainingCost(loss, progress.rows_trained, progress.rows_measured))


def _epoch(values: Float32[np.ndarray, "samples 3"]) -> Epoch:
    probability, margin, right = (column.copy() for column in values.T)
    return Epoch(probability, margin, right > 0)


@torch.inference_mode()
def predictions(model: nn.Module, inputs: Any, labels: Int64[Tensor, " samples"]) -> Float32[Tensor, "samples 3"]:
    """Each sample's probability of the true label, that minus the largest other one, and 1 if the model is right."""
    probabilities = model(inputs).softmax(1)
    true = labels[:, None]
    own = probabilities.gather(1, true)[:, 0]
    other = probabilities.scatter(1, true, -1).amax(1)
    return torch.stack([own, own - other, (probabilities.argmax(1) == labels).float()], dim=1)
