"""How long a step takes, and by how much it raises the process's memory at most."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Generic, TypeVar

STATUS = Path("/proc/self/status")
INTERVAL = 0.02
KIB = 1024
Result = TypeVar("Result")


@dataclass(frozen=True)
class Metered(Generic[Result]):
    """What a step returned, and what it cost."""

    result: Result
    wall_seconds: float
    processor_seconds: float
    before_bytes: int
    """Anonymous memory of the process when the step began."""
    peak_bytes: int
    """The most that it had while the step ran, looked at fifty times a second."""

    @property
    def added_bytes(self) -> int:
        """By how much the step raised it."""
        return self.peak_bytes - self.before_bytes


def metered(step: Callable[[], Result]) -> Metered[Result]:
    """Run the step and measure it."""
    before, peak, done = anonymous_bytes(), [anonymous_bytes()], Event()
    watcher = Thread(target=_watch, args=(peak, done), daemon=True)
    watcher.start()
    wall, processor = time.perf_counter(), time.process_time()
    result = step()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    done.set()
    watcher.join()
    return Metered(result, wall, processor, before, max(*peak, anonymous_bytes()))


def anonymous_bytes() -> int:
    """Memory of this process that no file stands behind."""
    facts = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(facts["RssAnon"].split()[0]) * KIB


def _watch(peak: list[int], done: Event) -> None:
    while not done.wait(INTERVAL):
        peak.append(max(peak.pop(), anonymous_bytes()))
