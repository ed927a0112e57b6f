"""Train many one-hidden-layer perceptrons at once, each as ``ted_core.training.trainer.fit`` would train it alone.

Initial weights, row orders, learning rates and AdamW are the same; only sums are taken in another order, so that losses
agree to float precision. A batch of every model is one batched product, and one fused optimizer step moves them all.

When it pays: with one thread and batches of 128 rows, eight together take per model 1/1.4 of the processor time of
``fit`` with 16 features, 1/1.1 with 256 and 784 (26, 4 and 10 classes; best of three, x86-64, torch 2.13). So it is
useful if many models on equally many rows are needed and none is timed by itself: in ``benchmarks.fidelity``, not in
``benchmarks.accuracy``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.training.batches import Scaling
from ted_core.training.measuring import MEASURING_BATCH
from ted_core.training.objectives import per_sample_loss, performance
from ted_core.training.trainer import learning_rate_share

TOGETHER = 8
"""Models that train at once; twice as many gain no more."""


@dataclass(frozen=True)
class TrainingRun:
    """One model: the rows that it trains on, and the seed of its weights and orders."""

    rows: Int64[np.ndarray, " rows"]
    seed: int


class Perceptrons:
    """Several models of one shape; their weights are stacked along a first axis ``models``."""

    def __init__(self, samples: Samples, *, seeds: Sequence[int]) -> None:
        proxy = resolve_proxy(ProxySpec(name="mlp"))
        models = [build(proxy, samples, seed=stream_seed(seed, Stream.FIT_WEIGHTS)) for seed in seeds]
        stacked = [torch.stack(weights).detach() for weights in zip(*(m.parameters() for m in models), strict=True)]
        first, first_bias, second, second_bias = stacked
        self.count = len(models)
        self.weights = [nn.Parameter(matrix.mT.contiguous()) for matrix in (first, second)]
        self.biases = [nn.Parameter(bias[:, None].clone()) for bias in (first_bias, second_bias)]

    def __call__(self, inputs: Float[Tensor, "models batch features"]) -> Float[Tensor, "models batch classes"]:
        (first, second), (first_bias, second_bias) = self.weights, self.biases
        return torch.baddbmm(second_bias, torch.baddbmm(first_bias, inputs, first).relu(), second)


class ModelsTogether:
    """Models together with the samples that they train on."""

    def __init__(self, samples: Samples, models: Perceptrons) -> None:
        self.models, self.scaling = models, Scaling.of(samples)
        self.inputs, self.labels = _tensors(samples, self.scaling)

    def losses(self, rows: Int64[Tensor, "models batch"]) -> Float[Tensor, "models batch"]:
        """Return each model's loss on its own rows."""
        return _losses(self.models(self.inputs[rows]), self.labels[rows])

    @torch.inference_mode()
    def performance(self) -> Float32[np.ndarray, "models samples"]:
        """Return every model's performance on every training sample."""
        losses = [_losses(logits, labels) for logits, labels in self._logits(self.inputs, self.labels)]
        together = torch.cat(losses, dim=1)
        return performance(together.flatten()).view(together.shape).numpy()

    def accuracy(self, samples: Samples) -> Float[np.ndarray, " models"]:
        """Return the share of these samples that each model classifies correctly."""
        return self.right(samples).mean(1, dtype=np.float64)

    @torch.inference_mode()
    def right(self, samples: Samples) -> Bool[np.ndarray, "models samples"]:
        """Return which of these samples each model classifies correctly."""
        parts = [logits.argmax(2) == labels for logits, labels in self._logits(*_tensors(samples, self.scaling))]
        return torch.cat(parts, dim=1).numpy()

    def _logits(self, inputs: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (logits, labels) of every model, one large batch after another."""
        for x, y in zip(*(torch.split(rows, MEASURING_BATCH) for rows in (inputs, labels)), strict=True):
            yield self.models(x.expand(self.models.count, *x.shape)), y.expand(self.models.count, -1)


def _tensors(samples: Samples, scaling: Scaling) -> tuple[Float[Tensor, "samples features"], Int64[Tensor, " samples"]]:
    inputs = scaling.apply(torch.from_numpy(samples.inputs).clone()).flatten(1)
    return inputs, torch.from_numpy(samples.labels)


def _losses(
    logits: Float[Tensor, "models batch classes"], labels: Int64[Tensor, "models batch"]
) -> Float[Tensor, "models batch"]:
    return per_sample_loss(logits.flatten(0, 1), labels.flatten()).view(labels.shape)


def fit_together(samples: Samples, runs: Sequence[TrainingRun], *, proxy: ResolvedProxy) -> ModelsTogether:
    """Train the models of these runs, which must have equally many rows."""
    models = Perceptrons(samples, seeds=[run.seed for run in runs])
    together = ModelsTogether(samples, models)
    parameters = [*models.weights, *models.biases]
    optimizer = torch.optim.AdamW(
        parameters, lr=proxy.training.learning_rate, weight_decay=proxy.training.weight_decay, fused=True
    )
    for done, rows in _batches(runs, proxy):
        for group in optimizer.param_groups:
            group["lr"] = proxy.training.learning_rate * learning_rate_share(done)
        loss = together.losses(rows).mean(1).sum()  # the models share no weights: each gets its own mean's gradient
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return together


def _batches(
    runs: Sequence[TrainingRun], proxy: ResolvedProxy
) -> Iterator[tuple[float, Int64[Tensor, "models batch"]]]:
    """Yield the share of training done so far and each model's next rows, ordered and cut as in ``ArrayBatches``."""
    for number in range(proxy.training.epochs):
        orders = [stream_rng(run.seed, Stream.FIT_BATCHES, number).permutation(run.rows) for run in runs]
        whole, seen = torch.from_numpy(np.stack(orders)), 0
        for part in torch.split(whole, proxy.training.batch_size, dim=1):
            if part.shape[1] > 1:
                yield (number + seen / whole.shape[1]) / proxy.training.epochs, part
            seen += part.shape[1]


def in_groups(runs: Sequence[TrainingRun], *, size: int = TOGETHER) -> Iterator[Sequence[TrainingRun]]:
    """Yield the runs in groups that should train together."""
    for start in range(0, len(runs), size):
        yield runs[start : start + size]
