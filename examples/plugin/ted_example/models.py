"""The parts that need torch; only workers import them."""

import math

from torch import nn
from torch.nn.functional import cross_entropy

from ted_core.training.objectives import ONE_CLASS, Task


def linear(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build a linear model: inputs of any shape, flattened, become logits of shape (batch, classes)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), classes))


SMOOTHED = Task(
    loss=lambda logits, labels: cross_entropy(logits, labels, reduction="none", label_smoothing=0.1),
    right=ONE_CLASS.right,
    margin=ONE_CLASS.margin,
)
