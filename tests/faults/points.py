"""Named moments inside the product's processes, and what a test can make happen there.

A moment is the edge of one of the product's functions. Arming it is leaving a file; the process that gets there first
takes the file away, so every fault strikes once. The product knows nothing of this: see ``saboteur``.
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
CLAIMED, SENT = "message claimed, not yet sent", "message sent, not yet recorded"


@dataclass(frozen=True)
class Point:
    """Just before or just after a function, named as ``module:attribute``, does its work."""

    name: str
    edge: Literal["before", "after"]
    function: str
    given: str = ""
    """Only where an argument's text holds this."""


POINTS = {
    "service": (
        Point("before the submission commits", "before", "ted_jobs.jobs.store:JobStore.submit"),
        Point("after the submission commits", "after", "ted_jobs.jobs.store:JobStore.submit"),
    ),
    "worker.sweeper": (
        Point("hint sent, not yet recorded", "after", "ted_jobs.queue.celery:notify"),
        Point("while it reaps", "before", "ted_jobs.jobs.maintenance:end_attempt"),
        Point(CLAIMED, "before", "worker.pinned_http:post_pinned"),
        Point(SENT, "after", "worker.pinned_http:post_pinned"),
    ),
    "worker": (
        Point("after claim", "before", "worker.supervisor:Supervisor.run"),
        Point("before rename", "after", "shutil:copyfile", given="manifest.parquet.partial"),
        Point("after rename", "before", "ted_jobs.jobs.leases:Leases.finish"),
        Point("after commit", "after", "ted_jobs.jobs.leases:Leases.finish"),
    ),
    "worker.runner": (
        Point("mid-round", "before", "worker.eta:EtaEstimator.estimate"),
        Point("after a round", "after", "ted_core.results.report_builder:RoundLog.note"),
    ),
}
"""By the module that the process runs."""


def arm(folder: Path, name: str, action: str) -> None:
    """Have the next process that gets there do this."""
    partial = folder / f"{name}.partial"
    partial.write_text(action)
    partial.replace(folder / f"{name}.armed")


def reached(folder: Path, name: str) -> int | None:
    """The id of the process that has got there, if one has."""
    path = folder / f"{name}.reached"
    return int(path.read_text()) if path.exists() else None


def strike(folder: Path, name: str) -> None:
    """Called by a process that is there: do what was armed, if anything was."""
    mine = folder / f"{name}.{os.getpid()}"
    try:
        (folder / f"{name}.armed").rename(mine)
    except FileNotFoundError:
        return
    action = mine.read_text()
    mine.write_text(str(os.getpid()))
    mine.rename(folder / f"{name}.reached")
    ACTIONS[action]()


def _stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _run_out_of_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _run_out_of_memory() -> None:
    """Ask for more than this process may have from now on; the refusal is the kernel's."""
    resource.setrlimit(resource.RLIMIT_AS, (ONE_GIBIBYTE, resource.RLIM_INFINITY))
    bytearray(ONE_GIBIBYTE)


ACTIONS = {"stand still": _stand_still, "disk full": _run_out_of_disk, "memory": _run_out_of_memory}
