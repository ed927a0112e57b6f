"""Training one model: the epoch that twins and fresh models share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn

from ted_core.batches import Scaling, Table
from ted_core.datasets import Samples
from ted_core.errors import TrainingDiverged
from ted_core.gradients import MOST_CURVATURE_ROWS, Curvature, gradient_norms, preconditioned_norms
from ted_core.proxies import Training, family_of
from ted_core.proxies.build import build
from ted_core.tasks import per_sample_loss, performance

WARM_UP_SHARE = 0.15
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **options),
}

CountRows = Callable[[int], None]


def learning_rate_share(done: float) -> float:
    """The share of the peak learning rate after this share of training: up in a line, down in half a cosine."""
    if done < WARM_UP_SHARE:
        return done / WARM_UP_SHARE
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))


class Trainee:
    """A model, its optimizer and its learning-rate schedule.

    The schedule follows the share of training that is done, not a count of steps: the number of rows may shrink.
    """

    def __init__(self, model: nn.Module, proxy: Training, *, device: str) -> None:
        self.model, self.proxy = model.to(device), proxy
        options = {"lr": proxy.learning_rate, "weight_decay": proxy.weight_decay}
        self.optimizer = OPTIMIZERS[family_of(proxy.name).optimizer](self.model.parameters(), **options)

    def train_epoch(
        self,
        table: Table,
        rows: Int64[np.ndarray, " rows"],
        *,
        number: int,
        seed: tuple[int, ...],
        count_rows: CountRows = lambda _: None,
    ) -> float:
        """The mean loss of epoch ``number``, counted from 0, over the rows. Raises TrainingDiverged."""
        self.model.train()
        total, seen = torch.zeros((), device=table.device), 0
        for inputs, labels in table.shuffled(
            rows, self.proxy.batch_size, seed=(*seed, number), augment=self.proxy.augment
        ):
            total += self._step(inputs, labels, done=(number + seen / len(rows)) / self.proxy.epochs) * len(labels)
            seen += len(labels)
            count_rows(len(labels))
        return _finite(float(total) / max(seen, 1))

    def _step(self, inputs: Tensor, labels: Tensor, *, done: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.proxy.learning_rate * learning_rate_share(done)
        loss = per_sample_loss(self.model(inputs), labels).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    @torch.inference_mode()
    def performance(self, table: Table, rows: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
        """Each row's performance under the model as it is."""
        self.model.eval()
        batches = [performance(per_sample_loss(self.model(x), y)) for x, y in table.in_order(rows)]
        return torch.cat(batches).cpu().numpy() if batches else np.zeros(0, np.float32)

    @torch.inference_mode()
    def right(self, table: Table, rows: Int64[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
        """Whether each row's most likely class is the one it is labelled with."""
        self.model.eval()
        batches = [self.model(x).argmax(1) == y for x, y in table.in_order(rows)]
        return torch.cat(batches).cpu().numpy() if batches else np.zeros(0, bool)

    def gradient_norm(
        self, table: Table, rows: Int64[np.ndarray, " rows"], *, curvature_rows: Int64[np.ndarray, " some"]
    ) -> Float32[np.ndarray, " rows"]:
        """The norm of each row's gradient under the model as it is, in the metric of the curvature at other rows.

        Of more than MOST_CURVATURE_ROWS of these a fixed draw is used; without any the metric is Euclidean. Raises
        LayerNotSupported.
        """
        drawn = np.random.default_rng(0).permutation(curvature_rows)[:MOST_CURVATURE_ROWS]
        norms = gradient_norms
        if len(drawn):
            norms = partial(preconditioned_norms, curvature=Curvature.of(self.model, table.in_order(drawn)))
        batches = [norms(self.model, x, y) for x, y in table.in_order(rows)]
        return torch.cat(batches).cpu().numpy() if batches else np.zeros(0, np.float32)


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingDiverged(f"The mean loss of an epoch is {loss}", field="proxy.learning_rate")
    return loss


@dataclass(frozen=True)
class Fitted:
    """A trained model and the input scaling it was trained with."""

    trainee: Trainee
    scaling: Scaling

    def accuracy(self, samples: Samples) -> float:
        """The share of these samples whose most likely class is the right one."""
        table = Table(samples, scaling=self.scaling, device=str(next(self.trainee.model.parameters()).device))
        return float(self.trainee.right(table, np.arange(len(samples))).mean())


def fit(
    samples: Samples, rows: Int64[np.ndarray, " rows"], *, proxy: Training, seed: int, device: str = "cpu"
) -> Fitted:
    """A fresh model, trained from scratch on these samples for all the proxy's epochs."""
    scaling = Scaling.of(samples)
    table = Table(samples, scaling=scaling, device=device)
    trainee = Trainee(build(proxy.name, samples, seed=seed), proxy, device=device)
    for number in range(proxy.epochs):
        trainee.train_epoch(table, rows, number=number, seed=(seed,))
    return Fitted(trainee, scaling)
