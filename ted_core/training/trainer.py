"""Training one model: the epoch that twins and fresh models share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from ted_core.datasets import Samples
from ted_core.distributed.errors import BatchSmallerThanRanks
from ted_core.distributed.replicas import SOLE, Replicas
from ted_core.distributed.world import ALONE, World
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.proxies.precision import require_precision
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.row_count import CountRows
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, of_number, sub_state_dict
from ted_core.training.batches import ArrayBatches, Batch, Batches, Scaling, Step, measure_rows
from ted_core.training.divergence import require_finite
from ted_core.training.features import prepare_samples
from ted_core.training.gradients import MOST_CURVATURE_ROWS, Curvature, gradient_norms, preconditioned_norms
from ted_core.training.layout import laid_out_like, with_channels_last
from ted_core.training.objectives import Task, nan_where_lost, performance
from ted_core.training.predictions import Predictions

WARM_UP_SHARE = 0.15
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, nesterov=True, **options),
}


def learning_rate_share(done: float) -> float:
    """The share of the peak learning rate after this share of training: a linear warm-up, then half a cosine."""
    if done < WARM_UP_SHARE:
        return done / WARM_UP_SHARE
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)))


class Trainer:
    """A model, its optimizer and its learning-rate schedule; other ranks may train copies of it with other rows.

    The schedule follows the share of training that is done, not a count of steps: the number of rows may shrink.
    Raises BatchSmallerThanRanks.
    """

    def __init__(self, model: nn.Module, proxy: ResolvedProxy, *, device: str, replicas: Replicas = SOLE) -> None:
        require_precision(proxy.training, device=device)
        if replicas.share.count > proxy.training.batch_size:
            fact = f"{replicas.share.count} devices share a batch of {proxy.training.batch_size}"
            raise BatchSmallerThanRanks(fact, field="proxy.batch_size")
        self.model, self.proxy, self.replicas = with_channels_last(model.to(device)), proxy, replicas
        replicas.prepare(self.model)
        options = {"lr": proxy.training.learning_rate, "weight_decay": proxy.training.weight_decay}
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = OPTIMIZERS[proxy.family.optimizer](trained, **options)
        self.start_loss: float | None = None
        """The mean loss of the first batch, before any step; None until then."""

    def train_epoch(
        self,
        table: Batches,
        rows: Int64[np.ndarray, " rows"],
        *,
        number: int,
        rng: np.random.Generator,
        count_rows: CountRows = lambda _: None,
    ) -> float:
        """Train for epoch ``number``, counted from 0, and return the rows' mean loss.

        Every rank that has a copy of the model is given the same rows, and takes its share of each batch; loss and
        count are those of all of them. Raises TrainingDiverged, RankLost.
        """
        self.model.train()
        training = self.proxy.training
        total, seen = torch.zeros((), device=table.device), 0
        share = self.replicas.share
        for step in table.shuffled(rows, training.batch_size, rng=rng, augment=training.augment, share=share):
            loss = self._step(step, table.task, done=(number + seen / len(rows)) / training.epochs)
            if self.start_loss is None:
                self.start_loss = float(self.replicas.sum(loss.clone()))
            total.add_(loss, alpha=step.rows)
            seen += step.rows
            count_rows(step.rows)
        return require_finite(float(self.replicas.sum(total)) / max(seen, 1), "The mean loss of an epoch")

    def _step(self, step: Step, task: Task, *, done: float) -> Tensor:
        """What this rank's batches contribute to the mean loss of the step's rows."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.proxy.training.learning_rate * learning_rate_share(done)
        self.optimizer.zero_grad()
        losses = [self._backward(batch, task, share=len(batch[1]) / step.rows) for batch in step.batches]
        self.replicas.add_gradients(self.optimizer.param_groups[0]["params"])
        self.optimizer.step()
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _backward(self, batch: Batch, task: Task, *, share: float) -> Tensor:
        inputs, targets = batch
        losses = task.loss(self.outputs(inputs), targets)
        mean = losses.mean() if share else losses.sum()  # a rank may have no row in a step
        loss = mean if share == 1 else mean * share  # hardly any step is cut into parts, and small models notice
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def outputs(self, inputs: Any) -> Any:
        """What the model makes of a batch, calculated in the proxy's precision."""
        if self.proxy.training.precision != "bfloat16":
            return self.model(inputs)
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return self.model(inputs).float()

    @torch.inference_mode()
    def performance(self, table: Batches, rows: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
        """Each row's performance under the model as it is. Raises TrainingDiverged."""
        return self._measure(table, rows, lambda _, __, loss: performance(loss))

    @torch.inference_mode()
    def predictions(self, table: Batches, rows: Int64[np.ndarray, " rows"]) -> Predictions:
        """What ``Predictions`` tells about each row, in one pass. Raises TrainingDiverged."""
        task = table.task

        def together(outputs: Tensor, targets: Any, loss: Tensor) -> Tensor:
            values = performance(loss), task.right(outputs, targets), task.margin_of(outputs, targets, loss)
            return torch.stack([*values, task.likeliest_of(outputs, loss)], dim=1)

        columns = self._measure(table, rows, together).reshape(-1, len(fields(Predictions))).T
        return Predictions(*(column.copy() for column in columns))

    @torch.inference_mode()
    def right(self, table: Batches, rows: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
        """The share of each row's predictions that are right: 1 where its only label is the likeliest.

        Raises TrainingDiverged.
        """
        return self._measure(table, rows, lambda outputs, targets, _: table.task.right(outputs, targets))

    def _measure(
        self, table: Batches, rows: Int64[np.ndarray, " rows"], measure: Callable[[Tensor, Any, Tensor], Tensor]
    ) -> Float32[np.ndarray, "rows ..."]:
        """What ``measure`` makes of outputs, targets and losses, for every row."""
        self.model.eval()

        def of_batch(inputs: Any, targets: Any) -> Tensor:
            outputs = self.outputs(inputs)
            loss = table.task.loss(outputs, targets)
            return nan_where_lost(measure(outputs, targets, loss), loss)

        return measure_rows(table, rows, of_batch)

    def gradient_norm(
        self,
        table: Batches,
        rows: Int64[np.ndarray, " rows"],
        *,
        curvature_rows: Int64[np.ndarray, " some"],
        rng: np.random.Generator,
    ) -> Float32[np.ndarray, " rows"]:
        """The norm of each row's gradient under the model as it is, in the metric of the curvature at other rows.

        If there are more than MOST_CURVATURE_ROWS of these, a random sample of them is used; without any the metric is
        Euclidean. Raises LayerNotSupported, TrainingDiverged.
        """
        sample = rng.permutation(curvature_rows)[:MOST_CURVATURE_ROWS]
        norms = gradient_norms
        if len(sample):
            norms = partial(preconditioned_norms, curvature=Curvature.of(self.model, table.in_order(sample)))
        return measure_rows(table, rows, partial(norms, self.model))

    def state_dict(self) -> StateDict:
        """Weights and buffers, and the optimizer's state of each weight."""
        slots = self.optimizer.state_dict()["state"]
        tensors = {f"{index}/{name}": value for index, slot in slots.items() for name, value in slot.items()}
        own = {} if self.start_loss is None else {"start_loss": of_number(self.start_loss)}
        return merge_state_dicts(model=self.model.state_dict(), optimizer=tensors, trainer=own)

    def load_state_dict(self, state: StateDict) -> None:
        """Continue from these weights and this optimizer state."""
        own = sub_state_dict(state, "trainer")
        self.start_loss = float(own["start_loss"]) if own else None
        self.model.load_state_dict(sub_state_dict(state, "model"))
        slots: dict[int, dict[str, Tensor]] = {}
        trained = self.optimizer.param_groups[0]["params"]
        for name, value in sub_state_dict(state, "optimizer").items():
            index, key = name.split("/")
            slots.setdefault(int(index), {})[key] = laid_out_like(value, trained[int(index)])
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})


@dataclass(frozen=True)
class FittedModel:
    """A trained model and the table that it was trained on."""

    trainer: Trainer
    table: Batches

    def accuracy(self, samples: Samples) -> float:
        """The share of these samples' predictions that are right."""
        ready = prepare_samples(samples, self.trainer.proxy, device=str(self.table.device))
        return float(self.trainer.right(self.table.like(ready), np.arange(len(samples))).mean())


def fit(
    samples: Samples, rows: Int64[np.ndarray, " rows"], *, proxy: ResolvedProxy, seed: int, device: str = "cpu"
) -> FittedModel:
    """Train a new model from scratch on these rows, for all the proxy's epochs."""
    samples = prepare_samples(samples, proxy, device=device)
    table = batches_of(samples, proxy, device=device)
    model = build(proxy, samples, seed=stream_seed(seed, Stream.FIT_WEIGHTS))
    trainer = Trainer(model, proxy, device=device)
    for epoch in range(proxy.training.epochs):
        trainer.train_epoch(table, rows, number=epoch, rng=stream_rng(seed, Stream.FIT_BATCHES, epoch))
    return FittedModel(trainer, table)


def batches_of(samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu", world: World = ALONE) -> Batches:
    """The samples on the device, scaled by their own statistics; texts as tokens of the proxy's own vocabulary.

    If each rank of the ``world`` has inputs of its own, all of them call this.
    """
    if samples.kind in ("text", "dialogue"):
        from ted_core.training.token_batches import TokenBatches  # noqa: PLC0415 - transformers are an extra

        return TokenBatches.of(samples, proxy, device=device)
    return ArrayBatches(samples, scaling=Scaling.of(samples, world), device=device, parts=proxy.batch_parts)
