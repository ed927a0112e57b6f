"""A child of this process that another process has forked: what ``subprocess.Popen`` is for one that it has started."""

import os
import subprocess
import time

FIRST_PAUSE, LONGEST_PAUSE = 0.0005, 0.05
"""Between two looks at whether the process has ended, in seconds."""


class ForkedProcess:
    """A child whose first parent has ended. Only this object waits for it, so its id stays its own until then."""

    def __init__(self, pid: int) -> None:
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
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        pause = FIRST_PAUSE
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return status
