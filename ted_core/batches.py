"""Samples → the float tensors that a model sees, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ted_core.augmentation import augmented
from ted_core.datasets import Samples

MEASURING_BATCH = 2048
CHUNK = 8192
CONSTANT = 1e-6
"""A standard deviation below this share of the mean is the rounding of a constant; small units are no constants."""


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each feature or colour channel, shaped to broadcast over a batch."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, samples: Samples) -> "Scaling":
        """The statistics of all samples; a constant feature keeps the standard deviation 1."""
        axes = (0, 2, 3) if samples.kind == "image" else (0,)
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for start in range(0, len(samples), CHUNK):
            chunk = samples.inputs[start : start + CHUNK].astype(np.float64)
            count += chunk.size // chunk.shape[1]
            total, squares = total + chunk.sum(axes), squares + (chunk**2).sum(axes)
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


class Table:
    """Samples on a device, ready to be cut into batches."""

    def __init__(self, samples: Samples, *, scaling: Scaling, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.inputs = torch.from_numpy(samples.inputs).to(self.device)
        self.labels: Int64[Tensor, " samples"] = torch.from_numpy(samples.labels).to(self.device)
        self.scaling = Scaling(scaling.mean.to(self.device), scaling.std.to(self.device))

    def shuffled(
        self, rows: Int64[np.ndarray, " rows"], batch_size: int, *, seed: tuple[int, ...], augment: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of the rows in an order that the seed alone decides; augmented where asked.

        A last batch of a single row is left out: batch normalization cannot use it.
        """
        chance = np.random.default_rng(seed)
        order = torch.from_numpy(chance.permutation(rows)).to(self.device)
        for part in torch.split(order, batch_size):
            if len(part) > 1:
                inputs = self.scaling.apply(self.inputs[part])
                yield (augmented(inputs, chance) if augment else inputs), self.labels[part]

    def in_order(self, rows: Int64[np.ndarray, " rows"]) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of the rows as they come, in large batches."""
        for part in torch.split(torch.from_numpy(rows).to(self.device), MEASURING_BATCH):
            yield self.scaling.apply(self.inputs[part]), self.labels[part]
