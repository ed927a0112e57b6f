"""A child of this process that another process has forked: what ``subprocess.Popen`` is for one that it has started."""

import os
import select
import subprocess


class ForkedProcess:
    """A child whose parent was another process, which has ended since."""

    def __init__(self, pid: int) -> None:
        """``pid``: an id that no other process has got meanwhile, since nobody else waits for this child."""
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, or its signal as a negative number; None while it runs."""
        if self.returncode is None:
            waited, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if waited else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the same. Raises subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None and not _has_ended(self.pid, seconds=timeout):
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        status = self.poll()
        assert status is not None, "a process that has ended has a status"  # noqa: S101
        return status


def _has_ended(pid: int, *, seconds: float | None) -> bool:
    """Whether the process ends within this time; the kernel says when."""
    with os.fdopen(os.pidfd_open(pid)) as end:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))
