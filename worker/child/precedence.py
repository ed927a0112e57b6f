"""Whom the kernel puts last when processors or memory are short: those that train."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 2
"""What is added to the nice value, for two thirds of the weight of other processes."""
OOM_SCORE_ADJ = "800"


def put_last(pid: int) -> None:
    """Have a child of this process, which has just been started, give way to this process.

    However many threads train, the supervisor comes first when it has to renew its lease, and so does the API. If
    memory runs out, the kernel kills the runner, not the supervisor that reports it.
    """
    with suppress(OSError):  # it has already ended
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    with suppress(OSError):  # and on macOS
        Path(f"/proc/{pid}/oom_score_adj").write_text(OOM_SCORE_ADJ)


def oom_kill_count(path: Path = Path("/proc/vmstat")) -> int:
    """Return how many processes the kernel has killed for lack of memory since boot; 0 if it does not say."""
    with suppress(OSError):
        counts = dict(line.split() for line in path.read_text().splitlines())
        return int(counts.get("oom_kill", 0))
    return 0
