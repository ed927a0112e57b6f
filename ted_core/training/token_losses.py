"""Losses and margins over a vocabulary. A processor calculates a few tokens at a time.

The logits of a batch's answers are 100 MB and more, and so is each step on the way from them to a loss. Of few tokens
they stay in the processor's caches, and take a fifth of the time.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

CACHED_NUMBERS = 1 << 18
"""Logits that are calculated with at a time; as float32 a megabyte."""

Logits = Float[Tensor, "tokens vocabulary"]
TokenIds = Int64[Tensor, " tokens"]
OfTokens = Float[Tensor, " tokens"]


def token_loss(logits: Logits, tokens: TokenIds) -> OfTokens:
    """Cross-entropy of each token in float32, in nats."""
    loss: Tensor = _TokenLoss.apply(logits, tokens)  # type: ignore[no-untyped-call]
    return loss


def in_parts(measure: Callable[[Tensor, Tensor], Tensor], logits: Logits, tokens: TokenIds) -> OfTokens:
    """What ``measure`` makes of the logits of each token; nothing is remembered for the way back."""
    with torch.no_grad():
        return torch.cat([measure(logits[part], tokens[part]) for part in _parts(logits)])


class _TokenLoss(torch.autograd.Function):
    """The probabilities are calculated again on the way back, as they would have to be read from memory otherwise."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, tokens: Tensor) -> Tensor:
        ctx.save_for_backward(logits, tokens)
        return in_parts(_loss, logits, tokens)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None]:
        logits, tokens = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for part in _parts(logits):
            probability = torch.softmax(logits[part].float(), 1)
            own = tokens[part, None]
            probability.scatter_add_(1, own, torch.full_like(own, -1, dtype=probability.dtype))
            gradient[part] = probability.mul_(weight[part, None])
        return gradient, None


def _loss(logits: Tensor, tokens: Tensor) -> Tensor:
    return cross_entropy(logits.float(), tokens, reduction="none")


def _parts(logits: Logits) -> Iterator[slice]:
    """The tokens that are calculated at a time: at least one part, all of them on an accelerator."""
    count, words = logits.shape
    size = max(1, CACHED_NUMBERS // words) if logits.device.type == "cpu" else max(1, count)
    yield from (slice(start, start + size) for start in range(0, max(1, count), size))
