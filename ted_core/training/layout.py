"""How a model's tensors lie in memory: convolutions are several times faster if a pixel's channels lie together."""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

IMAGE_DIMENSIONS = 4
"""Of a batch of images, and of a convolution's weights."""


def with_channels_last(model: nn.Module) -> nn.Module:
    """The same model with its filters laid out so, and thereby what they make of images; no shape changes."""
    for tensor in _of_images(model):
        tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model


def _of_images(model: nn.Module) -> Iterator[Tensor]:
    return (tensor for tensor in chain(model.parameters(), model.buffers()) if tensor.dim() == IMAGE_DIMENSIONS)


def laid_out_like(value: Tensor, example: Tensor) -> Tensor:
    """The same values in the example's layout, if they have its shape: optimizers go through both side by side."""
    return torch.empty_like(example, dtype=value.dtype).copy_(value) if value.shape == example.shape else value
