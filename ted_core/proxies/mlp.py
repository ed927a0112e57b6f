"""A perceptron with one hidden layer, for vectors and small images."""

import math

from torch import nn

HIDDEN = 512


def mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Inputs of any shape, flattened → logits of shape (batch, classes)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))
