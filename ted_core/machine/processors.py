"""How many processors this process may keep busy: the machine's, or fewer where somebody has said so."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ted_core.machine.control_groups import group_folders


def processor_count(root: Path = Path("/")) -> int:
    """Return how many processors this process may keep busy.

    They are those of its affinity mask, or as many as the lowest quota of its control groups pays for, rounded down: a
    thread too many stops all that wait for it whenever the quota is spent.
    """
    return max(1, min([_in_affinity_mask(), *_quotas(root)]))


def _in_affinity_mask() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _quotas(root: Path) -> Iterator[int]:
    """Whole processors, of which a group may use so many: microseconds of its threads in so many of the clock."""
    for folder in group_folders("cpu", root):
        for read in (_version_2, _version_1):
            with suppress(OSError, ValueError):  # "max" is no number
                quota, period = read(folder)
                if quota > 0:  # -1 is no quota
                    yield quota // period


def _version_2(group: Path) -> tuple[int, int]:
    quota, period = (group / "cpu.max").read_text().split()
    return int(quota), int(period)


def _version_1(group: Path) -> tuple[int, int]:
    return int((group / "cpu.cfs_quota_us").read_text()), int((group / "cpu.cfs_period_us").read_text())
