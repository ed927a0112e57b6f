"""A training run as a good engineer would write it, of ``mlp``, ``cnn`` or ``resnet9``: selections are held against it.

Inputs are scaled once and stay in memory, convolutions see channels last, each epoch is one permutation, AdamW is
fused. Weights, schedule, optimizer, batch size, epochs, precision and augmentation are the proxy's; there is no
bookkeeping, and nothing is checked on the way.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.training.augmentation import COLOUR_CHANNELS, SHIFT_SHARE
from ted_core.training.batches import Scaling
from ted_core.training.trainer import OPTIMIZERS, learning_rate_share

MEMORY_FORMAT = {"mlp": torch.contiguous_format, "cnn": torch.channels_last, "resnet9": torch.channels_last}
"""Of inputs and weights: convolutions are faster if a pixel's channels lie together."""
PLAIN_PROXIES = tuple(MEMORY_FORMAT)
MIRRORED_SHARE = 0.5

TakeBatch = Callable[[Int64[Tensor, " batch"]], Float[Tensor, "batch ..."]]


def train_plainly(samples: Samples, proxy: ResolvedProxy, *, seed: int) -> nn.Module:
    """Train a new model on all samples and return it."""
    assert proxy.name in PLAIN_PROXIES, "other proxies have no plain loop"  # noqa: S101
    torch.manual_seed(seed)
    training, labels, memory_format = proxy.training, torch.from_numpy(samples.labels), MEMORY_FORMAT[proxy.name]
    inputs = Scaling.of(samples).apply(torch.tensor(samples.inputs)).contiguous(memory_format=memory_format)
    take = shifting(inputs) if training.augment else inputs.__getitem__
    model = build(proxy, samples, seed=seed).to(memory_format=memory_format)
    optimizer = OPTIMIZERS[proxy.family.optimizer](model.parameters(), lr=0.0, weight_decay=training.weight_decay)
    steps, step = training.epochs * -(-len(labels) // training.batch_size), 0
    for _ in range(training.epochs):
        for rows in torch.randperm(len(labels)).split(training.batch_size):
            optimizer.param_groups[0]["lr"] = training.learning_rate * learning_rate_share(step / steps)
            with torch.autocast("cpu", torch.bfloat16, enabled=training.precision == "bfloat16"):
                logits = model(take(rows))
            loss = cross_entropy(logits.float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
    return model


def shifting(images: Float[Tensor, "samples channels height width"]) -> TakeBatch:
    """Return a function that takes a batch of images, shifted at random and, if they have colours, mirrored.

    It draws from the same distribution as ``ted_core.training.augmentation``; the borders are added once.
    """
    height, width = images.shape[2:]
    most = max(1, round(SHIFT_SHARE * min(height, width)))
    windows = pad(images, (most, most, most, most)).unfold(2, height, 1).unfold(3, width, 1)

    def take(rows: Int64[Tensor, " batch"]) -> Float[Tensor, "batch channels height width"]:
        down, right = torch.randint(0, 2 * most + 1, (2, len(rows)))
        batch = windows[rows, :, down, right]
        if images.shape[1] != COLOUR_CHANNELS:
            return batch
        mirrored = torch.rand(len(rows), 1, 1, 1) < MIRRORED_SHARE
        return torch.where(mirrored, batch.flip(-1), batch)

    return take
