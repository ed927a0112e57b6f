"""Why there is no runner, or none any more, where it could not say so itself."""

import signal

from ted_core.errors import DISK_FULL_ERRNOS, OutOfMemory, StorageFull, TedError
from ted_jobs.errors import MachineFailed, RunnerCrashed, RunnerKilled
from worker.child.process import RunnerProcess
from worker.ranks.exit_status import SIGNAL_ERRORS

CPP_OUT_OF_MEMORY = "std::bad_alloc"


def start_error(error: OSError) -> TedError:
    """Return the error that keeps this worker from starting a runner."""
    if error.errno in DISK_FULL_ERRNOS:
        return StorageFull(str(error))
    return MachineFailed(f"The training process could not be started: {error}")


def exit_error(child: RunnerProcess, *, phase: str) -> TedError:
    """Return the error of a runner that ended without reporting one, derived from how its process ended."""
    status, log_tail = child.process.returncode, child.log_tail()
    assert status is not None, "it has ended"  # noqa: S101
    if (status == -signal.SIGKILL and child.was_out_of_memory) or CPP_OUT_OF_MEMORY in log_tail:
        return OutOfMemory("The kernel gave the runner no more memory")
    if status < 0:
        received = signal.Signals(-status)
        return SIGNAL_ERRORS.get(received, RunnerKilled)(f"It got {received.name} while {phase}")
    last_line = (log_tail.splitlines() or ["no output"])[-1]
    return RunnerCrashed(f"It exited with status {status} while {phase}: {last_line}")
