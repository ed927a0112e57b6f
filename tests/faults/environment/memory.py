"""Memory that the kernel refuses to a group of processes, by killing one of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.faults import FaultContext, NotPossibleHere, status_reason, suspended_at
from tests.servers.stacks import until

FIRST_VERSION, SECOND_VERSION = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
"""Where control groups are made."""
GROUPS = {FIRST_VERSION: "memory.limit_in_bytes", SECOND_VERSION: "memory.max"}
UNLIMITED = {FIRST_VERSION: "-1", SECOND_VERSION: "max"}
TOO_LITTLE = 64 << 20
"""Bytes; a runner takes more before it has read anything."""


def run_out_of_memory(context: FaultContext) -> None:
    """Move a worker into a control group with too little memory for a runner, until the kernel has killed one."""
    with _control_group() as group:
        with suspended_at(context, "after claim") as child:
            (group / "cgroup.procs").write_text(str(child.pid))
        (job,) = context.driver.promises()
        until(lambda: "out of memory" in status_reason(context, job))
        _set_limit(group, UNLIMITED[group.parent])
        context.service.mark_fault()
        until(context.settled)
        context.service.stop("worker")
        context.service.start("worker")


@contextmanager
def _control_group() -> Iterator[Path]:
    group = next(filter(None, map(_limited_group, GROUPS)), None)
    if group is None:
        raise NotPossibleHere("only root may limit the memory of a control group")
    try:
        yield group
    finally:
        until(lambda: _removed(group))


def _limited_group(root: Path) -> Path | None:
    """Return a new group with hardly any memory; None if it cannot be made there."""
    group = root / f"ted-{os.getpid()}"
    try:
        group.mkdir()
        _set_limit(group, str(TOO_LITTLE))
    except OSError:
        return None
    return group


def _set_limit(group: Path, limit: str) -> None:
    (group / GROUPS[group.parent]).write_text(limit)


def _removed(group: Path) -> bool:
    """Remove the group, which is possible once its last process has ended."""
    try:
        group.rmdir()
    except OSError:
        return False
    return True
