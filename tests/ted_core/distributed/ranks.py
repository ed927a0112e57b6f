"""Ranks of a test: processes that are forked from it, connected, and send back what a function returns."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist

from ted_core.distributed.connect import connect, disconnect
from ted_core.distributed.errors import RankLost
from ted_core.distributed.world import ConnectedWorld
from ted_core.plan import TWINS

FORK = multiprocessing.get_context("fork")
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
"""The first optimizer of a process loads a compiler, which takes seconds; forked ranks find it loaded."""
Work = Callable[[ConnectedWorld], Any]


def on_ranks(size: int, work: Work, *, models: int = TWINS) -> list[Any]:
    """What each rank's ``work`` returns, in the order of ranks. An exception of one of them is raised here.

    So many models are trained at the same time.
    """
    with TemporaryDirectory() as folder:
        started = [_start(Path(folder) / "store", rank, size, models, work) for rank in range(size)]
        results = [connection.recv() for _, connection in started]
        for process, _ in started:
            process.join()
    errors = [result for result in results if isinstance(result, Exception)]
    for error in sorted(errors, key=lambda error: isinstance(error, RankLost)):  # which follows from another's error
        raise error
    return results


def _start(store: Path, rank: int, size: int, models: int, work: Work) -> tuple[Any, Connection]:
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_run, args=(store, rank, size, models, work, sender))
    process.start()
    return process, receiver


def _run(store: Path, rank: int, size: int, models: int, work: Work, sender: Connection) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = LOOPBACK
    try:
        world = connect(dist.FileStore(str(store), size), rank=rank, size=size, device="cpu", models=models)
        sender.send(work(world))
        disconnect()
    except Exception as error:
        sender.send(error)
