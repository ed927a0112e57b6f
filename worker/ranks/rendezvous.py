"""Where the hosts of a job meet: a key-value store that the job's runner opens at an address, for as long as it runs.

The runner leaves the assignment there and waits until every other host has taken its seat. Later each host leaves signs
of life, and the reason if it fails. Whoever can reach the address can take a seat, so it belongs in a private network.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Thread

from torch._C._distributed_c10d import TCPStore

from ted_core.distributed.errors import RankLost
from ted_core.errors import TedError
from worker.messages import Assignment, Failed
from worker.ranks.devices import RanksNotPossible
from worker.ranks.seats import Seats

ASSIGNMENT, FAILED = "assignment", "failed"
ANSWER_SECONDS = 30.0
"""How long the store, or a sign of life of a host, may stay away before its host counts as lost."""
SIGN_SECONDS = 1.0
"""The pause between two signs of life."""


class SeatNotTaken(TedError):
    """Not every host of this worker was there in time; the job waits for another attempt. Start `ted worker` with the
    same --nodes and --rendezvous on the hosts that are missing."""

    retryable = True


def open_store(address: str) -> TCPStore:
    """Open the store at this address, and nowhere else."""
    host, port = split_address(address)
    listening = socket.create_server((host, port))
    return TCPStore(
        host,
        port,
        is_master=True,
        timeout=timedelta(seconds=ANSWER_SECONDS),
        wait_for_workers=False,
        master_listen_fd=listening.detach(),
    )


def join_store(address: str) -> TCPStore:
    """Connect to the store at this address. Raises RankLost if there is none."""
    host, port = split_address(address)
    try:
        return TCPStore(host, port, timeout=timedelta(seconds=ANSWER_SECONDS), wait_for_workers=False)
    except RuntimeError as error:
        raise RankLost(f"Nothing answers at {address}") from error


def split_address(address: str) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def await_seats(store: TCPStore, assignment: Assignment, seats: Seats) -> None:
    """Leave the assignment in the store, and wait for the other hosts. Raises SeatNotTaken, RanksNotPossible."""
    store.set(ASSIGNMENT, assignment.model_dump_json())
    others = [_seat(node) for node in range(1, seats.nodes)]
    try:
        store.wait(others, timedelta(seconds=assignment.seat_seconds))
    except RuntimeError as error:
        missing = [node for node in range(1, seats.nodes) if not store.check([_seat(node)])]
        raise SeatNotTaken(f"Of {seats.nodes} hosts those with --node-rank {missing} are missing") from error
    for node, key in enumerate(others, start=1):
        if (count := int(store.get(key))) != len(seats.devices):
            raise RanksNotPossible(f"Host {node} has {count} devices, the first one {len(seats.devices)}")


def take_seat(store: TCPStore, seats: Seats) -> None:
    """Say that this host is there, and with how many ranks."""
    store.set(_seat(seats.node), str(len(seats.devices)))


def leave_failure(store: TCPStore, failed: Failed) -> None:
    """Tell the first host why this one has failed, if it can still be told."""
    with suppress(RuntimeError):
        store.set(FAILED, failed.model_dump_json())


def watch_hosts(address: str, seats: Seats, end: Callable[[Failed], None]) -> None:
    """On a thread of its own, call ``end`` once another host has failed or gives no sign of life."""

    def watch() -> None:
        store, last = join_store(address), dict.fromkeys(range(1, seats.nodes), (0, time.monotonic()))
        while True:
            time.sleep(SIGN_SECONDS)
            if store.check([FAILED]):
                end(Failed.model_validate_json(store.get(FAILED)))
            for node, (count, moment) in last.items():
                present = store.add(_signs(node), 0)
                last[node] = (present, moment if present == count else time.monotonic())
                if time.monotonic() - last[node][1] > ANSWER_SECONDS:
                    end(Failed.from_error(RankLost(f"Host {node} gives no sign of life")))

    Thread(target=watch, daemon=True).start()


def give_signs(address: str, node: int) -> None:
    """On a thread of its own, give signs of life, and end this process once the first host does not take them."""

    def give() -> None:
        with suppress(RankLost, RuntimeError):
            store = join_store(address)
            while True:
                store.add(_signs(node), 1)
                time.sleep(SIGN_SECONDS)
        os._exit(os.EX_TEMPFAIL)

    Thread(target=give, daemon=True).start()


def _seat(node: int) -> str:
    return f"seat of {node}"


def _signs(node: int) -> str:
    return f"signs of {node}"
