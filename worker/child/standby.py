"""Runners that start at once: forks of a process that has imported what a runner needs."""

import ctypes
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from ted_core.python_process import module_command
from worker.child.fork_server import MESSAGE_BYTES, READY, REQUEST
from worker.child.forked_process import ForkedProcess
from worker.child.precedence import put_last
from worker.child.starting import KILL_SECONDS, StartedProcess, Streams, runner_environment, start_cold

log = structlog.get_logger()

COMMAND = module_command("worker.warm_runner")
FORK_SECONDS = 5.0
"""How long a fork may take on a busy machine. One that takes longer fails the attempt."""
READY_SECONDS = 10.0
"""How long a runner waits for a standby that is still importing: what it imports itself would take longer."""
SET_CHILD_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


class Standby:
    """Starts runners by forking them, and from nothing where nothing can be forked or is ready in time.

    The process that is forked is replaced when it has died, and ends with this one. For one thread at a time.
    """

    def __init__(self) -> None:
        self._server: _ForkServer | None = None

    def warm_up(self) -> None:
        """Start the process that is forked, unless it runs. Does not wait for it: it imports for seconds."""
        if self._server and not self._server.is_alive:
            log.warning("standby has ended", status=self._server.process.returncode)
            self.close()
        if not self._server and sys.platform == "linux":
            self._server = _ForkServer()

    def is_ready(self, *, within: float) -> bool:
        """Return whether runners are forked from now on, or from some moment within these seconds."""
        return self._server is not None and self._server.is_ready(within=within)

    def start(self, streams: Streams) -> StartedProcess:
        """Start a runner. Raises OSError."""
        self.warm_up()
        if self._server and self._server.is_ready(within=READY_SECONDS):
            return ForkedProcess(self._fork(self._server, streams))
        return start_cold(streams)

    def _fork(self, server: "_ForkServer", streams: Streams) -> int:
        try:
            return server.fork(streams)
        except (OSError, ValueError) as error:
            self.close()
            # Not from nothing on the same streams: there may be a fork that has not been reported.
            raise OSError(f"The standby has forked no runner: {error!r}") from error

    def close(self) -> None:
        """End the process that is forked; runners go on."""
        if self._server:
            self._server.close()
        self._server = None


class _ForkServer:
    """The process that is forked, and the socket by which it is asked to. It ends when this end is closed."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(FORK_SECONDS)
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                COMMAND,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=runner_environment(),
            )
        put_last(self.process.pid)
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def is_ready(self, *, within: float) -> bool:
        """Return whether it has imported everything, or does within these seconds."""
        if not self._is_ready and select.select([self._requests], [], [], within)[0]:
            self._is_ready = self._requests.recv(MESSAGE_BYTES) == READY
        return self._is_ready

    def fork(self, streams: Streams) -> int:
        """Return the id of a new runner, a child of this process. Raises OSError, and ValueError if it ends."""
        with _adopting_orphans():
            socket.send_fds(self._requests, [REQUEST], [streams.input, streams.output, streams.error])
            return int(self._requests.recv(MESSAGE_BYTES))

    def close(self) -> None:
        self._requests.close()
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):  # it waits in the kernel, for a file system that hangs
            self.process.wait(KILL_SECONDS)


@contextmanager
def _adopting_orphans() -> Iterator[None]:
    """A descendant of this process whose parent ends within the block becomes a child of this process."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)
