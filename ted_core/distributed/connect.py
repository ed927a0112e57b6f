"""How the processes of a selection find each other."""

from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store

from ted_core.distributed.errors import rank_errors
from ted_core.distributed.world import ConnectedWorld, replica_share, replicas_of
from ted_core.plan import TWINS

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""What adds up gradients, by kind of device."""
NEVER = timedelta(days=365)
"""How long ranks wait for each other: whether one has ended or hangs is for those to see who watch the processes."""


def backend_of(device: str) -> str:
    """Return the name of what connects ranks that train on such a device. Raises KeyError for devices without one."""
    return BACKENDS[torch.device(device).type]


def connect(store: Store, *, rank: int, size: int, device: str, models: int = TWINS) -> ConnectedWorld:
    """Wait for all ranks and return their world, whose size is a multiple of ``models``. Raises RankLost.

    So many models are trained at the same time.
    """
    with rank_errors():
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=NEVER)
        group = _own_replicas(rank, size, device, models) if size > models else None
    everyone = dist.group.WORLD
    assert everyone is not None, "the group was initialized"  # noqa: S101
    return ConnectedWorld(everyone, replicas_of(group, replica_share(rank, size, models=models)), models=models)


def _own_replicas(rank: int, size: int, device: str, models: int) -> dist.ProcessGroup:
    """The group of the ranks that train the same model. Every rank takes part in making all groups."""
    count = size // models
    groups = [
        dist.new_group(range(first, first + count), backend=backend_of(device), timeout=NEVER)
        for first in range(0, size, count)
    ]
    group: dist.ProcessGroup = groups[rank // count]
    return group


def disconnect() -> None:
    """Leave the world, so that no thread of it is left behind."""
    dist.destroy_process_group()
