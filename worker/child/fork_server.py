"""``python -m worker.child.fork_server``: imports what a runner needs, and forks one runner for each request.

A request on the socket that is its standard input brings the descriptors of a runner's standard streams; the answer is
the runner's id. A runner becomes a child of the process that asked, which so learns how it ends, and it keeps nothing
of this process but memory. Without requests this process sleeps; it ends when the socket's other end is closed.
"""

import gc
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch

from worker import runner
from worker.child.standby import MESSAGE_BYTES, READY

STREAMS = 3


def main() -> None:
    """Fork for every request; each fork becomes a runner."""
    with socket.socket(fileno=os.dup(0)) as requests:
        warm_up()
        require_one_thread()
        gc.freeze()  # or the first collection in every fork would copy all the memory that it could share
        requests.send(READY)
        streams = await_fork(requests)
    if streams:
        become_runner(streams)


def warm_up() -> None:
    """Have torch import what it leaves for the first optimizer, its compiler and SymPy: half of what a runner imports.

    Nothing is computed: that would start threads, and ask for an accelerator, neither of which survives a fork.
    """
    model = torch.nn.Linear(1, 1, device="meta")
    torch.optim.SGD(model.parameters())


def require_one_thread() -> None:
    """Raise RuntimeError if this process has other threads: a fork has only the one that forks, but all their locks."""
    threads = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(threads) > 1:
        raise RuntimeError(f"Not to be forked, since it has threads: {threads}")


def await_fork(requests: socket.socket) -> Sequence[int]:
    """Return a runner's streams, in a fork that is to become it; none once nobody can ask for more."""
    while True:
        request, streams, *_ = socket.recv_fds(requests, MESSAGE_BYTES, STREAMS)
        if not request:
            return []
        pid = _fork_orphan()
        if not pid:
            return streams
        for stream in streams:
            os.close(stream)
        requests.send(str(pid).encode())


def _fork_orphan() -> int:
    """Return 0 in a new process whose parent has ended, or is about to; its id in this one."""
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        if pid := os.fork():
            os.write(writing, str(pid).encode())
            os._exit(os.EX_OK)
        os.close(reading)
        os.close(writing)
        return 0
    os.waitpid(parent, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return int(pipe.read())


def become_runner(streams: Sequence[int]) -> NoReturn:
    """Run the assignment on the first of these streams, in a session of its own, and exit as a started runner would."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    status = os.EX_OK
    try:
        runner.main()
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)  # to take apart what it shares would cost a fork half a second, and copy all of it


if __name__ == "__main__":
    main()
