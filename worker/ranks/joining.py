"""How a rank of a job joins the others."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch._C._distributed_c10d import FileStore, Store

from ted_core.distributed.connect import connect, disconnect
from ted_core.distributed.world import ALONE, World
from ted_core.plan import TWINS
from worker.messages import Assignment
from worker.ranks.reading import is_divided
from worker.ranks.rendezvous import await_seats, join_store, open_store, split_address
from worker.ranks.seats import Seats

STORE = "ranks"
"""The file in the attempt's folder by which ranks of one host find each other."""
INTERFACE = "GLOO_SOCKET_IFNAME"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@contextmanager
def joined_world(assignment: Assignment, seats: Seats, *, rank: int, device: str) -> Iterator[World]:
    """The world of this job's ranks. Those of one host speak on the loopback interface only.

    Raises RankLost, and SeatNotTaken if other hosts are missing.
    """
    if seats.size == 1:
        yield ALONE
        return
    if seats.nodes == 1 or split_address(assignment.rendezvous)[0] in LOCAL_HOSTS:
        os.environ[INTERFACE] = LOOPBACK
    models = 1 if is_divided(assignment) else TWINS
    yield connect(_store(assignment, seats, rank), rank=rank, size=seats.size, device=device, models=models)
    disconnect()


def _store(assignment: Assignment, seats: Seats, rank: int) -> Store:
    if seats.nodes == 1:
        return FileStore(str(assignment.folder / STORE), seats.size)
    if rank > 0:
        return join_store(assignment.rendezvous)
    store = open_store(assignment.rendezvous)
    await_seats(store, assignment, seats)
    return store
