"""A pretrained encoder with a fresh classification head, all of it trained or its last blocks."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from ted_core.proxies.precision import multiplies_bfloat16
from ted_core.proxies.pretrained.blocks import FrozenBlocks, blocks_of, keep_last_blocks, last_hidden_state
from ted_core.proxies.pretrained.loading import model_of, require_input
from ted_core.proxies.pretrained.tokens import TokenBatch


class MeanPooled(nn.Module):
    """One vector per text: the mean of what the model makes of its tokens (Reimers and Gurevych 2019,
    arXiv 1908.10084)."""

    def __init__(self, body: PreTrainedModel, *, train_blocks: int | None = None) -> None:
        """With ``train_blocks``, nothing but the last of its blocks is trained, and batches must hold hidden states."""
        super().__init__()
        self._given = keep_last_blocks(body, train_blocks) if train_blocks else None
        if train_blocks:
            body.requires_grad_(False)
            blocks_of(body).requires_grad_(True)
        self.body = body

    def train(self, mode: bool = True) -> "MeanPooled":
        """Dropout stays off: what it leaves out would not be the seed's to decide."""
        super().train(mode)
        self.body.eval()  # type: ignore[no-untyped-call]
        return self

    def forward(self, batch: TokenBatch) -> Float[Tensor, "samples features"]:
        """In float32, whatever the model calculates in."""
        with self._below(batch), half_precision(batch.ids.device):
            hidden = last_hidden_state(self.body, batch)
        return mean_over(hidden.float(), batch.mask)

    def _below(self, batch: TokenBatch) -> AbstractContextManager[None]:
        """While the batch is calculated: what stands for the blocks that are not."""
        return self._given.of(batch) if self._given else nullcontext()


def mean_over(
    hidden: Float[Tensor, "samples length width"], mask: Bool[Tensor, "samples length"]
) -> Float[Tensor, "samples width"]:
    """The mean over the positions that are no padding."""
    weight = mask.float() / mask.sum(1, keepdim=True)
    return torch.einsum("slw,sl->sw", hidden, weight)


def half_precision(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 inside the ``with`` block if the device can: a CPU thread is three times as fast then."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))


def pooled_encoder(folder: Path, *, train_blocks: int | None = None) -> MeanPooled:
    """The pretrained model as it is, or its last blocks. Raises UnknownModel, ProxyMismatch, TooManyBlocks."""
    return MeanPooled(_body(folder), train_blocks=train_blocks)


def frozen_blocks(folder: Path, train_blocks: int) -> FrozenBlocks:
    """The pretrained model below its last blocks. Raises UnknownModel, ProxyMismatch, TooManyBlocks."""
    return FrozenBlocks(_body(folder), train_blocks)


def _body(folder: Path) -> PreTrainedModel:
    body = require_input(model_of(folder, AutoModel), "input_ids")
    if getattr(body, "pooler", None) is not None:
        body.register_module("pooler", None)  # of no use to a mean
    return body


def encoder(folder: Path, classes: int, *, train_blocks: int | None = None) -> nn.Module:
    """The pretrained encoder, mean pooling, and a linear head from torch's global generator.

    Takes a TokenBatch, gives logits [samples, classes]. If only the last blocks are trained, nothing else of the
    encoder is. Raises UnknownModel, ProxyMismatch, TooManyBlocks.
    """
    pooled = pooled_encoder(folder, train_blocks=train_blocks)
    return nn.Sequential(pooled, nn.Linear(pooled.body.config.hidden_size, classes))
