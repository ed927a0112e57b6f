"""How a runner becomes a process: its streams, its environment, and the command that starts it from nothing."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ted_core.python_process import computing_environment, module_command

RUNNER_COMMAND = module_command("worker.runner")
PROCESS_NAME = "ted-runner"
"""What ps and top call a runner, whether it was forked or started: the name that it gives itself."""
KILL_SECONDS = 10.0
"""How long a process may take to end after SIGKILL."""
VARIABLES = {
    "TQDM_DISABLE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Libraries draw progress bars on standard error, which is the runner's log file. NumPy's OpenBLAS starts a thread for
each processor when it is imported, though all large products are torch's; and Arrow one for an allocator that it does
not use. Neither would survive a fork."""


@dataclass(frozen=True)
class Streams:
    """The descriptors that become a runner's standard input, output and error. Who starts it closes its own copies."""

    input: int
    output: int
    error: int


class StartedProcess(Protocol):
    """A child of this process. ``subprocess.Popen`` is one."""

    @property
    def pid(self) -> int:
        """Return its id, which is its session's too."""

    @property
    def returncode(self) -> int | None:
        """Return its exit status, or its signal as a negative number; None before ``poll`` or ``wait`` has seen it."""

    def poll(self) -> int | None:
        """Return the same, as of now."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the same. Raises subprocess.TimeoutExpired."""


StartRunner = Callable[[Streams], StartedProcess]
"""Starts a runner in a session of its own. Raises OSError."""


def runner_environment() -> dict[str, str]:
    """Return the variables of a process that is to train."""
    return computing_environment() | VARIABLES


def start_cold(streams: Streams) -> StartedProcess:
    """Start a runner that has yet to import what it needs, for about six seconds."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        RUNNER_COMMAND,
        stdin=streams.input,
        stdout=streams.output,
        stderr=streams.error,
        start_new_session=True,
        env=runner_environment(),
    )
