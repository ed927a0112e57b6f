"""Runners that start at once: forks of a process that has imported what a runner imports, torch above all.

Each of them is a process of its own all the same, in a session of its own, and a child of the one that asked for it.
"""

import ctypes
import gc
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from worker import child

MODULE = "tests.servers.forked_runners"
SET_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
STREAMS = ("p2cread", "c2pwrite", "errwrite")
"""What subprocess calls the child's ends of standard input, output and error."""
LONGEST_REQUEST = 1 << 17
IMPORTS = os.environ["PYTHONPATH"]
"""What is imported in the process that is forked. A test whose runner imports something else starts a real one."""


class ForkedRunners:
    """The process that is forked; it starts with the first runner."""

    def __init__(self) -> None:
        self._requests: socket.socket | None = None
        self._lock = Lock()

    def start(self, streams: Sequence[int], environment: Mapping[str, str]) -> int:
        """Return the id of a new runner, a child of this process, on these three streams."""
        with self._lock, _adopting_orphans():
            self._requests = self._requests or self._started()
            socket.send_fds(self._requests, [json.dumps(dict(environment)).encode()], streams)
            return int(self._requests.recv(LONGEST_REQUEST))

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-m", MODULE], stdin=theirs)
        return ours

    def close(self) -> None:
        """End the process."""
        if self._requests:
            self._requests.close()
            self._process.wait()


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """A process whose parent ends within the block becomes a child of this one."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def forking_popen(runners: ForkedRunners) -> type[subprocess.Popen[bytes]]:
    """Return a ``subprocess.Popen`` that forks the usual runner, and starts any other command as ever."""
    usual, execute = child.RUNNER_COMMAND, subprocess.Popen._execute_child  # type: ignore[attr-defined]

    class ForkingPopen(subprocess.Popen[bytes]):
        def _execute_child(self, *arguments: Any) -> None:
            named = inspect.signature(execute).bind(self, *arguments).arguments
            if tuple(named["args"]) != usual or named["env"]["PYTHONPATH"] != IMPORTS:
                execute(self, *arguments)
                return
            self.pid = runners.start([named[stream] for stream in STREAMS], named["env"])
            self._child_created = True
            for stream in STREAMS[:2]:
                os.close(named[stream])

    return ForkingPopen


@pytest.fixture(scope="session")
def forked_runners() -> Iterator[ForkedRunners]:
    runners = ForkedRunners()
    yield runners
    runners.close()


@pytest.fixture(autouse=True)
def fork_runners(forked_runners: ForkedRunners, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every supervisor in this process forks its runners."""
    if sys.platform == "linux":
        forking = vars(subprocess) | {"Popen": forking_popen(forked_runners)}
        monkeypatch.setattr(child, "subprocess", SimpleNamespace(**forking))


def is_runner(process: psutil.Process) -> bool:
    """Whether this child of the process that supervises is a runner."""
    words = process.cmdline()
    return "worker.runner" in words or (MODULE in words and os.getsid(process.pid) == process.pid)


# --- the process that is forked ---------------------------------------------------------------------------------------


def main() -> None:
    """Fork for every request; each fork becomes a runner."""
    from worker import runner  # noqa: PLC0415 - the process that asks does without torch

    _import_what_torch_leaves_for_later()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as requests:
        streams = _await_fork(requests)
    if streams:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        runner.main()


def _import_what_torch_leaves_for_later() -> None:
    """Do what makes torch import its compiler and sympy, which every runner does before it trains."""
    import torch  # noqa: PLC0415

    model = torch.nn.Linear(1, 1, device="meta")
    model(torch.zeros(1, 1, device="meta"))
    torch.optim.SGD(model.parameters())


def _await_fork(requests: socket.socket) -> Sequence[int]:
    """Return a runner's streams, in a fork that is to become it; none once nobody asks for more."""
    while True:
        environment, streams, *_ = socket.recv_fds(requests, LONGEST_REQUEST, len(STREAMS))
        if not environment:
            return []
        pid = _fork_orphan()
        if not pid:
            os.setsid()
            os.environ.update(json.loads(environment))
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
            os._exit(0)
        os.close(reading)
        os.close(writing)
        return 0
    os.waitpid(parent, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return int(pipe.read())


if __name__ == "__main__":
    main()
