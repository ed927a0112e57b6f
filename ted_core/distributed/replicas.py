"""The ranks that train one model together: each holds a copy of it and takes a share of every batch."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ted_core.distributed.errors import rank_errors
from ted_core.distributed.share import WHOLE, Share
from ted_core.distributed.synchronized_norm import synchronize_batch_norms


@runtime_checkable
class Replicas(Protocol):
    """What a trainer needs of the ranks that hold copies of its model."""

    share: Share

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by the sum of all copies' gradients."""

    def sum(self, value: Tensor) -> Tensor:
        """The sum of all copies' values."""

    def prepare(self, model: nn.Module) -> None:
        """Let batch normalizations use the statistics of the whole batch."""


class Sole:
    """A single copy."""

    share = WHOLE

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Do nothing: the gradients are complete."""

    def sum(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value

    def prepare(self, model: nn.Module) -> None:
        """Do nothing: the batch is whole."""


SOLE = Sole()


class ReplicaGroup:
    """Copies in several processes, which torch.distributed connects.

    Gradients are added up after the way back, all of them as one tensor, always in the same order. torch's own
    DistributedDataParallel rearranges its buckets after the first step of each process, so that with three copies or
    more a resumed run would add up in another order than one that ran through.
    """

    def __init__(self, group: dist.ProcessGroup, share: Share) -> None:
        self.group, self.share = group, share

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """As in ``Replicas``. Raises RankLost."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            return
        together = self.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        pieces = torch.split(together, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view(gradient.shape))

    def sum(self, value: Tensor) -> Tensor:
        """As in ``Replicas``, in place. Raises RankLost."""
        with rank_errors():
            dist.all_reduce(value, group=self.group)
        return value

    def prepare(self, model: nn.Module) -> None:
        """As in ``Replicas``."""
        synchronize_batch_norms(model, self.group)
