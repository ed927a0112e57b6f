"""Random shifts and flips of whole batches of images, from a seeded generator."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

COLOUR_CHANNELS = 3
SHIFT_SHARE = 1 / 8
"""Largest shift as a share of the image's side; 4 pixels of 32, as is usual for CIFAR."""


def augment_images(
    images: Float[Tensor, "batch channels height width"], rng: np.random.Generator
) -> Float[Tensor, "batch channels height width"]:
    """Shift each image by up to an eighth of its side; mirror colour images with a probability of one half.

    Grey images are not mirrored: they are mostly characters, which change their meaning.
    """
    return _shifted(_mirrored(images, rng) if images.shape[1] == COLOUR_CHANNELS else images, rng)


def _mirrored(images: Tensor, rng: np.random.Generator) -> Tensor:
    flip = _on(images, rng.random(len(images)) < 0.5)  # noqa: PLR2004 - a fair coin
    return torch.where(flip[:, None, None, None], images.flip(-1), images)


def _shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    count, _, height, width = images.shape
    most = max(1, round(SHIFT_SHARE * min(height, width)))
    padded = pad(images, (most, most, most, most))
    down, right = (_on(images, rng.integers(0, 2 * most + 1, count)) for _ in range(2))
    rows = down[:, None] + torch.arange(height, device=images.device)
    columns = right[:, None] + torch.arange(width, device=images.device)
    sample = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _on(images: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(images.device)
