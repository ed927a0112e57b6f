"""What the kernel does when memory runs out: whom it kills, and how often it has."""

from contextlib import suppress
from pathlib import Path

RUNNER_OOM_SCORE_ADJ = "800"
"""A raised oom_score_adj: if memory runs out, the kernel kills the runner, not the supervisor that reports it."""


def oom_kill_count(path: Path = Path("/proc/vmstat")) -> int:
    """Return how many processes the kernel has killed for lack of memory since boot; 0 if it does not say."""
    with suppress(OSError):
        counts = dict(line.split() for line in path.read_text().splitlines())
        return int(counts.get("oom_kill", 0))
    return 0


def expose_to_oom_killer(pid: int) -> None:
    """Have the kernel kill this process first if memory runs out."""
    with suppress(OSError):  # on macOS, and for a process that has already ended
        Path(f"/proc/{pid}/oom_score_adj").write_text(RUNNER_OOM_SCORE_ADJ)
