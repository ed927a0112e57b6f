"""Random shifts and flips of whole batches of images, from a seeded generator."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from ted_core.distributed.share import WHOLE, Share

COLOUR_CHANNELS = 3
SHIFT_SHARE = 1 / 8
"""Largest shift as a share of the image's side; 4 pixels of 32, as is usual for CIFAR."""


def augment_images(
    images: Float[Tensor, "own channels height width"],
    rng: np.random.Generator,
    *,
    rows: int | None = None,
    share: Share = WHOLE,
) -> Float[Tensor, "own channels height width"]:
    """Shift each image by up to an eighth of its side; mirror colour images with a probability of one half.

    Grey images are not mirrored: they are mostly characters, which change their meaning. If the images are a share of
    a batch of so many ``rows``, what happens to each is what would happen to it in the whole batch.
    """
    draw = _Draw(rng, len(images) if rows is None else rows, share)
    return _shifted(_mirrored(images, draw) if images.shape[1] == COLOUR_CHANNELS else images, draw)


@dataclass(frozen=True)
class _Draw:
    """Random numbers for a whole batch, of which a share is used."""

    rng: np.random.Generator
    rows: int
    share: Share

    def coins(self) -> Bool[np.ndarray, " own"]:
        return self.share.of(self.rng.random(self.rows) < 0.5)  # noqa: PLR2004 - a fair coin

    def integers(self, end: int) -> Int64[np.ndarray, " own"]:
        return self.share.of(self.rng.integers(0, end, self.rows))


def _mirrored(images: Tensor, draw: _Draw) -> Tensor:
    flip = _on(images, draw.coins())
    return torch.where(flip[:, None, None, None], images.flip(-1), images)


def _shifted(images: Tensor, draw: _Draw) -> Tensor:
    count, _, height, width = images.shape
    most = max(1, round(SHIFT_SHARE * min(height, width)))
    padded = pad(images, (most, most, most, most))
    down, right = (_on(images, draw.integers(2 * most + 1)) for _ in range(2))
    rows = down[:, None] + torch.arange(height, device=images.device)
    columns = right[:, None] + torch.arange(width, device=images.device)
    sample = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _on(images: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(images.device)
