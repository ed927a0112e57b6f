"""A process that forks one runner for each request.

A request on the socket that is its standard input brings the descriptors of a runner's standard streams; the answer is
the runner's id. A runner becomes a child of the process that asked, which so learns how it ends, and it keeps nothing
of this process but memory. Without requests this process sleeps; it ends when the socket's other end is closed.
"""

import gc
import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

READY, REQUEST = b"ready", b"fork"
MESSAGE_BYTES, STREAMS = 64, 3


def serve(run: Callable[[], None]) -> None:
    """Fork for every request; each fork calls ``run`` and ends. Raises RuntimeError if this process has threads."""
    with socket.socket(fileno=os.dup(0)) as requests:
        _require_one_thread()
        gc.freeze()  # or the first collection in every fork would copy all the memory that it could share
        requests.send(READY)
        streams = _await_fork(requests)
    if streams:
        _take_over(streams)
        _run_and_exit(run)


def _require_one_thread() -> None:
    """Raise RuntimeError if this process has other threads: a fork has only the one that forks, but all their locks."""
    threads = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(threads) > 1:
        raise RuntimeError(f"Not to be forked, since it has threads: {threads}")


def _await_fork(requests: socket.socket) -> Sequence[int]:
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


def _take_over(streams: Sequence[int]) -> None:
    """Begin a session with these as standard input, output and error."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)


def _run_and_exit(run: Callable[[], None]) -> None:
    """Exit as a process that was started would, but at once.

    To take apart what it shares with others would cost a fork half a second of its processor, and copy all of it.
    """
    status = os.EX_OK
    try:
        run()
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)
