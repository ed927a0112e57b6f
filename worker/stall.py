"""Whether a runner still does anything, as the kernel sees it: one that is frozen cannot say so itself."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LEAST_BUSY_SHARE = 0.001
"""The share of a processor that a process takes at least while it works; idle threads that wake up take less."""
LOOKS = 20
SESSION, CPU_TIMES = 3, slice(11, 15)
"""The fields of proc(5)'s stat, counted behind the process's name: its session; its ticks, and those of the children
for which it has waited."""


@dataclass(frozen=True)
class Activity:
    """What processes have done since they were started."""

    cpu_seconds: float
    io_bytes: int
    """Read and written, from and to files, pipes and devices."""


class StallDetector:
    """Watches a runner and its children for signs of life: messages, processor time, reading and writing.

    The kernel is asked only ``LOOKS`` times within the limit: each look reads about all processes of the machine.

    An endless loop is busy and no stall. Where there is no /proc, nothing is ever taken for stalled, since loading and
    hashing send no messages for minutes.
    """

    def __init__(
        self, activity: Callable[[], Activity | None], *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``activity``: what the processes have done, None if the kernel does not say. ``seconds``: the limit."""
        self.activity = activity
        self.seconds = seconds
        self._clock = clock
        self._last = activity()
        self._last_sign_at = clock()
        self._look_at = self._last_sign_at

    def is_stalled(self, *, has_reported: bool) -> bool:
        """Return whether there has been no sign of life for too long. ``has_reported``: a message has just come."""
        moment = self._clock()
        if has_reported:
            self._last_sign_at = moment
        if moment < self._look_at:
            return False
        self._look_at = moment + self.seconds / LOOKS
        present = self.activity()
        if self._has_advanced(present):
            self._last, self._last_sign_at = present, moment
        return present is not None and moment - self._last_sign_at > self.seconds

    def _has_advanced(self, present: Activity | None) -> bool:
        if present is None or self._last is None:
            return True
        busy_seconds = present.cpu_seconds - self._last.cpu_seconds
        return present.io_bytes != self._last.io_bytes or busy_seconds > LEAST_BUSY_SHARE * self.seconds


def session_activity(session: int) -> Activity | None:
    """Return what the processes of this session have done, and their children that have ended; None without /proc."""
    if not PROC.joinpath("self", "stat").exists():
        return None
    times = [(process, stat) for process, stat in _process_stats() if int(stat[SESSION]) == session]
    ticks = sum(int(tick) for _, stat in times for tick in stat[CPU_TIMES])
    return Activity(ticks / os.sysconf("SC_CLK_TCK"), sum(_io_bytes(process) for process, _ in times))


def _process_stats() -> Iterator[tuple[Path, list[bytes]]]:
    """The folder of each process, and the fields of proc(5)'s stat that follow its name."""
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            yield process, (process / "stat").read_bytes().rpartition(b")")[2].split()


def _io_bytes(process: Path) -> int:
    with suppress(OSError):  # it has just ended, or its counts are not ours to read
        counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        return sum(int(counts.get(name, 0)) for name in ("rchar", "wchar", "read_bytes", "write_bytes"))
    return 0
