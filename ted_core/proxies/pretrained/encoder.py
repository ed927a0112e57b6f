"""A pretrained encoder with a fresh classification head, all of it trained."""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from ted_core.proxies.precision import multiplies_bfloat16
from ted_core.proxies.pretrained.loading import model_of, require_input
from ted_core.proxies.pretrained.tokens import TokenBatch


class MeanPooled(nn.Module):
    """One vector per text: the mean of what the model makes of its tokens (Reimers and Gurevych 2019,
    arXiv 1908.10084)."""

    def __init__(self, body: PreTrainedModel) -> None:
        super().__init__()
        self.body = body

    def train(self, mode: bool = True) -> "MeanPooled":
        """Dropout stays off: what it leaves out would not be the seed's to decide."""
        super().train(mode)
        self.body.eval()  # type: ignore[no-untyped-call]
        return self

    def forward(self, batch: TokenBatch) -> Float[Tensor, "samples features"]:
        """In float32, whatever the model calculates in."""
        types = {} if batch.types is None else {"token_type_ids": batch.types}
        with half_precision(batch.ids.device):
            hidden = self.body(input_ids=batch.ids, attention_mask=batch.mask.long(), **types).last_hidden_state
        return mean_over(hidden.float(), batch.mask)


def mean_over(
    hidden: Float[Tensor, "samples length width"], mask: Bool[Tensor, "samples length"]
) -> Float[Tensor, "samples width"]:
    """The mean over the positions that are no padding."""
    weight = mask.float() / mask.sum(1, keepdim=True)
    return torch.einsum("slw,sl->sw", hidden, weight)


def half_precision(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 inside the ``with`` block if the device can: a CPU thread is three times as fast then."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))


def pooled_encoder(folder: Path) -> MeanPooled:
    """The pretrained model as it is. Raises UnknownModel, ProxyMismatch."""
    body = require_input(model_of(folder, AutoModel), "input_ids")
    if getattr(body, "pooler", None) is not None:
        body.register_module("pooler", None)  # of no use to a mean
    return MeanPooled(body)


def encoder(folder: Path, classes: int) -> nn.Module:
    """The pretrained encoder, mean pooling, and a linear head from torch's global generator.

    Takes a TokenBatch, gives logits [samples, classes]. Raises UnknownModel, ProxyMismatch.
    """
    pooled = pooled_encoder(folder)
    return nn.Sequential(pooled, nn.Linear(pooled.body.config.hidden_size, classes))
