"""Failpoints: named moments inside the product's processes, and what a test can make happen there.

A moment is just before or after one of the product's functions. To arm it is to leave a file; the process that gets
there first takes the file away, so every fault happens once. The product has no code for this: see
``fault_injection``.
"""

import errno
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = "TED_FAULT_POINTS"
ONE_GIBIBYTE = 1 << 30
WOKEN_UP = "wake-up sent, not yet recorded"
CLAIMED, SENT = "message claimed, not yet sent", "message sent, not yet recorded"
OTHER_RANK = "after a round of another rank than the first"


@dataclass(frozen=True)
class Failpoint:
    """Just before or just after a function, named as ``module:attribute``, does its work."""

    name: str
    edge: Literal["before", "after"]
    function: str
    given: str = ""
    """Only if the text of an argument contains this."""


RUNNER_FAILPOINTS = (
    Failpoint("mid-round", "before", "worker.timing.eta:EtaEstimator.estimate"),
    Failpoint("after a round", "after", "ted_core.results.report_builder:RoundLog.note"),
    Failpoint(OTHER_RANK, "before", "ted_core.distributed.checkpoints:follow"),
)
FAILPOINTS = {
    "service": (
        Failpoint("before the submission commits", "before", "ted_jobs.jobs.store:JobStore.submit"),
        Failpoint("after the submission commits", "after", "ted_jobs.jobs.store:JobStore.submit"),
        Failpoint(WOKEN_UP, "after", "ted_jobs.queue.celery:notify"),
    ),
    "worker.sweeper": (
        Failpoint(WOKEN_UP, "after", "ted_jobs.queue.celery:notify"),
        Failpoint("while it reaps", "before", "ted_jobs.jobs.maintenance:end_attempt"),
        Failpoint(CLAIMED, "before", "worker.webhooks.pinned_http:post_pinned"),
        Failpoint(SENT, "after", "worker.webhooks.pinned_http:post_pinned"),
    ),
    "worker": (
        Failpoint("after claim", "before", "worker.supervisor:Supervisor.run"),
        Failpoint("before rename", "after", "shutil:copyfile", given="manifest.parquet.partial"),
        Failpoint("after rename", "before", "ted_jobs.jobs.leases:Leases.finish"),
        Failpoint("after commit", "after", "ted_jobs.jobs.leases:Leases.finish"),
    ),
    "worker.runner": RUNNER_FAILPOINTS,
    "worker.warm_runner": RUNNER_FAILPOINTS,
}
"""By the module that the process runs."""


def arm(folder: Path, name: str, action: str) -> None:
    """Have the next process that gets there do this."""
    partial = folder / f"{name}.partial"
    partial.write_text(action)
    partial.replace(folder / f"{name}.armed")


def reached(folder: Path, name: str) -> int | None:
    """Return the id of the process that has got there, if one has."""
    path = folder / f"{name}.reached"
    return int(path.read_text()) if path.exists() else None


def trigger(folder: Path, name: str) -> None:
    """Do in this process, which is at the point, what was armed, if anything was."""
    path = folder / f"{name}.{os.getpid()}"
    try:
        (folder / f"{name}.armed").rename(path)
    except FileNotFoundError:
        return
    action = path.read_text()
    path.write_text(str(os.getpid()))
    path.rename(folder / f"{name}.reached")
    ACTIONS[action]()


def _suspend() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _run_out_of_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _run_out_of_memory() -> None:
    """Ask for more than this process may have from now on; the refusal is the kernel's."""
    resource.setrlimit(resource.RLIMIT_AS, (ONE_GIBIBYTE, resource.RLIM_INFINITY))
    bytearray(ONE_GIBIBYTE)


ACTIONS = {"suspend": _suspend, "disk full": _run_out_of_disk, "memory": _run_out_of_memory}
