"""Batch normalization over a batch that several ranks share: mean and variance are those of all its rows.

torch's SyncBatchNorm does the same on CUDA and refuses a CPU. Here a layer keeps its type, and thereby its name in
checkpoints and its per-sample gradients; only its way forth in training is another.
"""

from functools import partial
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ted_core.distributed.errors import rank_errors

AnyBatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def synchronize_batch_norms(model: nn.Module, group: dist.ProcessGroup) -> None:
    """Let the model's batch normalizations use the statistics of all ranks of the group while they train."""
    for module in model.modules():
        if isinstance(module, AnyBatchNorm):
            module.forward = partial(_forward, module, group)  # type: ignore[method-assign]


def _forward(layer: AnyBatchNorm, group: dist.ProcessGroup, inputs: Tensor) -> Tensor:
    return _normalized(layer, group, inputs) if layer.training else type(layer).forward(layer, inputs)


def _normalized(layer: AnyBatchNorm, group: dist.ProcessGroup, inputs: Tensor) -> Tensor:
    axes, shape = [0, *range(2, inputs.dim())], [1, -1, *[1] * (inputs.dim() - 2)]
    values = inputs.float()
    own = values.new_tensor([values.numel() / values.shape[1]])
    totals = _sum(torch.cat([values.sum(axes), own]), group)
    count = totals[-1]
    mean = totals[:-1] / count
    centred = values - mean.view(shape)
    variance = _sum(centred.square().sum(axes), group) / count
    _remember(layer, mean.detach(), variance.detach() * count / (count - 1))
    normalized = centred * (variance + layer.eps).rsqrt().view(shape)
    if layer.affine:
        normalized = normalized * layer.weight.view(shape) + layer.bias.view(shape)
    return normalized.to(inputs.dtype)


@torch.no_grad()
def _remember(layer: AnyBatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Update the running statistics, as torch's own layers do."""
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        return
    layer.num_batches_tracked.add_(1)
    weight = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    layer.running_mean.lerp_(mean, weight)
    layer.running_var.lerp_(variance, weight)


def _sum(value: Tensor, group: dist.ProcessGroup) -> Tensor:
    total: Tensor = _Sum.apply(value, group)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum of what all ranks' losses depend on it."""

    @staticmethod
    def forward(context: Any, value: Tensor, group: dist.ProcessGroup) -> Tensor:
        context.group = group
        return _summed(value, group)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _summed(gradient, context.group), None


def _summed(value: Tensor, group: dist.ProcessGroup) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    with rank_errors():
        dist.all_reduce(total, group=group)
    return total
