"""What a loss is and what performance is. The only place that knows the task."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy


def per_sample_loss(
    logits: Float[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]
) -> Float[Tensor, " samples"]:
    """Cross-entropy of each sample, in nats."""
    return cross_entropy(logits, labels, reduction="none")


def performance(loss: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """a = exp(-loss), in (0, 1]: for classification the probability of the true label."""
    return torch.exp(-loss)
