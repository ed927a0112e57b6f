"""All processes that work on a selection, and this one's place among them.

Every rank runs the same program. If each has all rows, twin A is trained by the first half of the ranks and twin B by
the second, without any traffic between them until rows have been measured. If each has the inputs of its own rows
alone, all of them train one twin after the other. What was measured, and the masks that follow from it, are then the
same everywhere.
"""

from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Shaped

from ted_core.distributed.errors import rank_errors
from ted_core.distributed.replicas import SOLE, ReplicaGroup, Replicas
from ted_core.distributed.share import Share
from ted_core.plan import TWINS

BITS = {4: np.int32, 8: np.int64}
"""Integers of so many bytes."""

Value = TypeVar("Value")


@runtime_checkable
class World(Protocol):
    """What a selection needs of the processes that work on it."""

    rank: int
    size: int
    models: int
    """How many models are trained at the same time."""
    replicas: Replicas
    """The ranks that train the same model as this one."""

    def trains(self, number: int) -> bool:
        """Whether this rank has a part in training the model of this number."""

    def speaks_for(self, number: int) -> bool:
        """Whether this rank tells the others of the model of this number: one does for each model."""

    def union(self, values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """All ranks' values together, to the bit. Of each value one rank has what it is, the others have 0."""

    def broadcast(self, value: Value) -> Value:
        """The value that the first rank has."""

    def gather(self, value: Value) -> list[Value]:
        """The values of all ranks, for the first of them; for any other its own."""

    def exchange(self, value: Value) -> list[Value]:
        """The values of all ranks, in their order, for each of them."""


class Alone:
    """A single process."""

    rank, size, models = 0, 1, 1
    replicas: Replicas = SOLE

    def trains(self, number: int) -> bool:
        """It trains every model."""
        return True

    def speaks_for(self, number: int) -> bool:
        """It tells nobody."""
        return True

    def union(self, values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The values themselves."""
        return values

    def broadcast(self, value: Value) -> Value:
        """The value itself."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """The value alone."""
        return [value]

    def exchange(self, value: Value) -> list[Value]:
        """The value alone."""
        return [value]


ALONE = Alone()


class ConnectedWorld:
    """Several processes, which torch.distributed connects. All of them call the same methods in the same order."""

    def __init__(self, everyone: dist.ProcessGroup, replicas: Replicas, *, models: int = TWINS) -> None:
        """``everyone``: a group of all ranks that sends tensors of the CPU."""
        self.everyone, self.replicas, self.models = everyone, replicas, models
        self.rank, self.size = everyone.rank(), everyone.size()

    def trains(self, number: int) -> bool:
        """The models are dealt out in turn to the parts of the ranks that each train one at a time."""
        return number % self.models == self.rank // (self.size // self.models)

    def speaks_for(self, number: int) -> bool:
        """The first of the ranks that train it."""
        return self.trains(number) and self.replicas.share.place == 0

    def union(self, values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """As in ``World``. Raises RankLost."""
        total = values.copy()  # added up as whole numbers: a negative zero stays one, and NaN stays the same NaN
        with rank_errors():
            dist.all_reduce(torch.from_numpy(total.view(BITS[values.itemsize])), group=self.everyone)
        return total

    def broadcast(self, value: Value) -> Value:
        """As in ``World``. Raises RankLost."""
        held = [value]
        with rank_errors():
            dist.broadcast_object_list(held, src=0, group=self.everyone)
        return held[0]

    def gather(self, value: Value) -> list[Value]:
        """As in ``World``. Raises RankLost."""
        held: list[Value] | None = [value] * self.size if self.rank == 0 else None
        with rank_errors():
            dist.gather_object(value, held, dst=0, group=self.everyone)
        return held or [value]

    def exchange(self, value: Value) -> list[Value]:
        """As in ``World``. Raises RankLost."""
        held: list[Value] = [value] * self.size
        with rank_errors():
            dist.all_gather_object(held, value, group=self.everyone)
        return held


def replica_share(rank: int, size: int, *, models: int = TWINS) -> Share:
    """Which share of its model's batches a rank takes."""
    count = size // models
    return Share(rank % count, count)


def replicas_of(group: dist.ProcessGroup | None, share: Share) -> Replicas:
    """The ranks that train one model; without a group it is a single one."""
    return SOLE if group is None else ReplicaGroup(group, share)
