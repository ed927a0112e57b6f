"""One ordinary training run on all samples, watched for AUM and TDDS: their logits at the end of every epoch.

Both were defined on what training computes anyway, in mini-batches and augmented. As in
``ted_core.selection.baselines.training_dynamics`` all samples are measured by the same model instead, in eval mode.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.training_dynamics import Run
from ted_core.training.trainer import batches_of

SMALLEST_PROBABILITY = 1e-8
"""Added to probabilities before their logarithm is taken, as in the published code of TDDS."""


@dataclass(frozen=True)
class Trajectory:
    """What AUM and TDDS need of a run."""

    margin: Float32[np.ndarray, " samples"]
    """The label's logit minus the largest other one, mean over the epochs."""
    movements: Float32[np.ndarray, "steps samples"]
    """How far each sample's prediction moved from the end of each epoch to that of the next."""
    samples_trained: int
    samples_measured: int


def watch_training(samples: Samples, proxy: ResolvedProxy, *, seed: int) -> Trajectory:
    """Train on all samples and watch. Raises TrainingDiverged."""
    run = Run(samples, proxy, table=batches_of(samples, proxy), seed=seed)
    epochs = proxy.training.epochs
    margin, movements = np.zeros(len(samples)), []
    before: Float32[np.ndarray, "samples classes"] | None = None
    for epoch in range(epochs):
        run.train_epoch(epoch, count_rows=lambda _: None)
        logits = run.measure(_logits)
        margin += logit_margin(logits, samples.labels)
        now = _softmax(logits)
        if before is not None:
            movements.append(movement(before, now))
        before = now
    moved = np.array(movements, np.float32).reshape(-1, len(samples))
    return Trajectory((margin / epochs).astype(np.float32), moved, epochs * len(samples), epochs * len(samples))


@torch.inference_mode()
def _logits(model: nn.Module, inputs: Any, _: Tensor) -> Float32[Tensor, "samples classes"]:
    logits: Tensor = model(inputs)
    return logits.float()


def _softmax(logits: Float32[np.ndarray, "samples classes"]) -> Float32[np.ndarray, "samples classes"]:
    return torch.from_numpy(logits).softmax(1).numpy()


def logit_margin(
    logits: Float[np.ndarray, "samples classes"], labels: Int64[np.ndarray, " samples"]
) -> Float[np.ndarray, " samples"]:
    """Return the label's logit minus the largest other one.

    Its mean over the epochs is AUM, the area under the margin (Pleiss et al. 2020, arXiv 2001.10528): low where the
    other samples of the class argue against the label.
    """
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return np.asarray(logits[rows, labels] - others.max(1))


def movement(
    before: Float32[np.ndarray, "samples classes"], now: Float32[np.ndarray, "samples classes"]
) -> Float32[np.ndarray, " samples"]:
    """Return the sum over the classes of |p log (p / p before)|: the first depth of TDDS.

    It stands for the sample's part in the epoch's gradient.
    """
    ratio = np.log(now + SMALLEST_PROBABILITY) - np.log(before + SMALLEST_PROBABILITY)
    return np.asarray(np.abs(now * ratio).sum(1))
