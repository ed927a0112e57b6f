"""Samples → the tensors that a model sees, batch by batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from ted_core.datasets import Samples
from ted_core.distributed.epoch_order import EpochOrder, owned_order, shared_order
from ted_core.distributed.share import FEWEST_ROWS, WHOLE, Share
from ted_core.distributed.world import ALONE, World
from ted_core.row_count import count_rows
from ted_core.training.augmentation import augment_images
from ted_core.training.device_arrays import device_array
from ted_core.training.divergence import require_finite
from ted_core.training.measuring import measuring_batch_size
from ted_core.training.objectives import Task, task_of

CHUNK, CHUNK_BYTES = 8192, 32 << 20
"""Rows whose statistics are taken at a time, and what they may take as float64."""
CONSTANT = 1e-6
"""A standard deviation below this share of the mean is the rounding of a constant; small units are no constants."""


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each feature or colour channel, shaped to broadcast over a batch."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, samples: Samples, world: World = ALONE) -> "Scaling":
        """The statistics of all samples; a constant feature keeps the standard deviation 1.

        If each rank of the ``world`` has inputs of its own, their sums are added up.
        """
        assert isinstance(samples.inputs, np.ndarray), "texts are not scaled"  # noqa: S101
        axes = (0, 2, 3) if samples.kind == "image" else (0,)
        count, total, squares = np.zeros(1), np.zeros(1), np.zeros(1)
        step = min(CHUNK, max(1, CHUNK_BYTES // max(8 * prod(samples.input_shape), 1)))
        for start in range(0, len(samples), step):
            chunk = samples.inputs[start : start + step].astype(np.float64)
            count += chunk.size // chunk.shape[1]
            total, squares = total + chunk.sum(axes), squares + (chunk**2).sum(axes)
        if samples.ownership:
            count, total, squares = (sum(parts) for parts in zip(*world.exchange((count, total, squares)), strict=True))
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        shape = (-1, 1, 1) if samples.kind == "image" else (-1,)
        varies = std > np.maximum(CONSTANT * np.abs(mean), np.finfo(np.float32).tiny)
        return cls(_column(mean, shape), _column(np.where(varies, std, 1.0), shape))

    def apply(self, inputs: Tensor) -> Float[Tensor, "batch ..."]:
        """The inputs as float32 with mean 0 and standard deviation 1."""
        return inputs.float().sub_(self.mean).div_(self.std)


def _column(values: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).reshape(shape)


Batch = tuple[Any, Any]
"""(inputs, targets): what the model takes, and what its output is compared with."""
RowIndices = Int64[np.ndarray, " rows"]


class Step(NamedTuple):
    """What a model is trained on before its weights are changed."""

    batches: list[Batch]
    """One, or several smaller ones whose gradients are added up if one would take too much memory."""
    rows: int
    """Of all ranks that train the model; these batches hold this rank's share of them."""


@runtime_checkable
class Batches(Protocol):
    """Samples on a device, ready to be cut into batches."""

    device: torch.device
    task: Task

    def shuffled(
        self, rows: RowIndices, batch_size: int, *, rng: np.random.Generator, augment: bool, share: Share = WHOLE
    ) -> Iterator[Step]:
        """The steps of an epoch over the rows, in a random order; of each, this share.

        All shares have equally many steps, with at least one row in each.
        """

    def in_order(self, rows: RowIndices) -> Iterator[Batch]:
        """The rows as they come, in batches for measuring."""

    def stretch(self, rows: RowIndices, share: Share) -> Int64[np.ndarray, " own"]:
        """Those of the rows, which ascend, that this rank measures; the other shares measure the rest."""

    def cheapest_order(self, rows: RowIndices) -> Int64[np.ndarray, " rows"]:
        """Positions in ``rows``, in the order in which measuring them takes the least time."""

    def like(self, samples: Samples) -> "Batches":
        """Other samples, prepared as these were: for testing a model that was trained on these."""


class ArrayBatches:
    """Images or vectors, on the device or gathered for it."""

    def __init__(self, samples: Samples, *, scaling: Scaling, device: str = "cpu", parts: int = 1) -> None:
        """``parts``: into how many a batch is cut."""
        assert isinstance(samples.inputs, np.ndarray), "texts have a table of their own"  # noqa: S101
        self.device, self.task, self.cut_into = torch.device(device), task_of(samples), parts
        self.ownership = samples.ownership
        self.inputs = device_array(samples.inputs, self.device)
        self.measured_at_a_time = max(1, measuring_batch_size(samples.input_shape) // parts)
        labels = samples.labels[self.ownership.own] if self.ownership else samples.labels
        self.labels: Tensor = torch.from_numpy(labels).to(self.device)
        self.scaling = Scaling(scaling.mean.to(self.device), scaling.std.to(self.device))

    def shuffled(
        self, rows: RowIndices, batch_size: int, *, rng: np.random.Generator, augment: bool, share: Share = WHOLE
    ) -> Iterator[Step]:
        """One batch a step, or the parts that it is cut into; augmented if asked.

        A last batch of a single row is left out, and no part has only one: batch normalization cannot use it. With
        more shares a last batch is left out that has no row for each of them. Where each rank has inputs of its own,
        a batch has a quota of each rank's rows instead.
        """
        order = self._order(rows, batch_size, rng, share)
        if not order.steps:
            return
        own = self.inputs.parts(self._held(order.own), order.sizes)
        for size, (gathered, part) in zip(order.steps, own, strict=True):
            inputs = self.scaling.apply(gathered)
            augmented = augment and len(inputs)
            seen = augment_images(inputs, order.rng, **order.draw(size)) if augmented else inputs
            parts = max(1, min(self.cut_into, size // (FEWEST_ROWS * share.count)))
            yield Step(_cut(seen, self.labels[part], parts=parts), size)

    def _order(self, rows: RowIndices, batch_size: int, rng: np.random.Generator, share: Share) -> EpochOrder:
        if self.ownership:
            return owned_order(rows, batch_size, rng=rng, ownership=self.ownership)
        return shared_order(rows, batch_size, rng=rng, share=share)

    def _held(self, rows: RowIndices) -> RowIndices:
        """Where the inputs of these rows are among those that are here."""
        return rows - self.ownership.first if self.ownership else rows

    def in_order(self, rows: RowIndices) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of the rows as they come, in large batches."""
        for gathered, part in self.inputs.parts(self._held(rows), self.measured_at_a_time):
            yield self.scaling.apply(gathered), self.labels[part]

    def stretch(self, rows: RowIndices, share: Share) -> Int64[np.ndarray, " own"]:
        """Those whose inputs are here, or the share's part of them."""
        return self.ownership.own_of(rows) if self.ownership else share.stretch(rows)

    def cheapest_order(self, rows: RowIndices) -> Int64[np.ndarray, " rows"]:
        """As they come: all are equally large."""
        return np.arange(len(rows))

    def like(self, samples: Samples) -> "ArrayBatches":
        """Other samples, scaled as these are."""
        return ArrayBatches(samples, scaling=self.scaling, device=str(self.device), parts=self.cut_into)


def _cut(inputs: Tensor, labels: Tensor, *, parts: int) -> list[Batch]:
    """The batch as so many smaller ones; hardly any is cut, and small models notice what takes microseconds."""
    if parts == 1:
        return [(inputs, labels)]
    return list(zip(inputs.tensor_split(parts), labels.tensor_split(parts), strict=True))


def measure_rows(
    table: Batches, rows: RowIndices, measure: Callable[[Any, Any], Float[Tensor, "batch ..."]]
) -> Float32[np.ndarray, "rows ..."]:
    """Apply ``measure`` to the (inputs, targets) of every row; no rows give no numbers.

    Raises TrainingDiverged if a number is not finite.
    """
    order, done = table.cheapest_order(rows), 0
    result: Tensor | None = None
    for inputs, targets in table.in_order(rows[order]):
        values = measure(inputs, targets)
        # One tensor for all: small ones, kept between a batch and the next, would leave the memory of both in pieces.
        result = torch.empty(len(rows), *values.shape[1:], device=values.device) if result is None else result
        result[done : done + len(values)] = values
        done += len(values)
        count_rows(len(values))
    if result is None:
        return np.zeros(0, np.float32)
    by_row = np.empty(result.shape, np.float32)
    by_row[order] = result.cpu().numpy()
    return require_finite(by_row, "What was measured of a row")
