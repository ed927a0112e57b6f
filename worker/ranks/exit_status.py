"""What a process's exit status says about why it has ended."""

import signal
from collections.abc import Mapping

from ted_core.errors import OutOfMemory, TedError
from ted_jobs.errors import MachineFailed, RunnerCrashed, RunnerKilled

SIGNAL_ERRORS: Mapping[signal.Signals, type[TedError]] = {
    signal.SIGABRT: RunnerCrashed,
    signal.SIGSEGV: RunnerCrashed,
    signal.SIGILL: RunnerCrashed,
    signal.SIGFPE: RunnerCrashed,
    signal.SIGBUS: MachineFailed,
}
"""What a fatal signal says about its cause. SIGBUS: a mapped file was cut short or could not be read; all others come
from outside."""


def status_error(status: int, *, name: str, out_of_memory: bool) -> TedError:
    """The error of a process that ended without reporting one.

    ``status`` is as in subprocess, a signal as a negative number; ``name`` is what the process is called, and
    ``out_of_memory`` whether the kernel has killed something for lack of memory meanwhile.
    """
    if status == -signal.SIGKILL and out_of_memory:
        return OutOfMemory(f"The kernel gave {name} no more memory")
    if status < 0:
        received = signal.Signals(-status)
        return SIGNAL_ERRORS.get(received, RunnerKilled)(f"{name} got {received.name}")
    return RunnerCrashed(f"{name} exited with status {status}")
