"""How a rank of a job joins the others."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch._C._distributed_c10d import FileStore

from ted_core.distributed.connect import connect, disconnect
from ted_core.distributed.world import ALONE, World
from worker.messages import Assignment

STORE = "ranks"
"""The file in the attempt's folder by which ranks find each other."""
INTERFACE = "GLOO_SOCKET_IFNAME"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@contextmanager
def joined_world(assignment: Assignment, *, rank: int, size: int, device: str) -> Iterator[World]:
    """The world of this job's ranks, which speak on the loopback interface only. Raises RankLost."""
    if size == 1:
        yield ALONE
        return
    os.environ[INTERFACE] = LOOPBACK
    store = FileStore(str(assignment.folder / STORE), size)
    yield connect(store, rank=rank, size=size, device=device)
    disconnect()
