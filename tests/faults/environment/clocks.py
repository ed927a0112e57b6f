"""The clock of a machine or of one server, which jumps while jobs run; by libfaketime, below Python and SQLite."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.faults import HOUR, SEEDS, Fault, FaultContext, NotPossibleHere, suspended_at
from tests.faults.service import MODULES
from tests.servers.stacks import until

LIBRARIES = "**/faketime/libfaketimeMT.so.1"
DATABASE, MACHINE = "database", ("database", "api", "sweeper", "worker")
"""Whose clock may jump: a PostgreSQL server, or everything on one machine. SQLite's clock is that of its processes."""


class Clock:
    """The wall clock of the processes that have its environment. Intervals are measured as ever."""

    def __init__(self, file: Path) -> None:
        self._file, self.hours = file, 0
        self.jump(to=0)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that has this clock."""
        options = {"NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1", "DONT_RESET": "1", "TIMESTAMP_FILE": str(self._file)}
        return {"LD_PRELOAD": _library()} | {f"FAKETIME_{name}": value for name, value in options.items()}

    def jump(self, *, to: int) -> None:
        """Set it to so many hours before or after the true time."""
        partial = self._file.with_suffix(".partial")
        partial.write_text(f"{to * HOUR:+d}s")
        partial.chmod(0o644)
        partial.rename(self._file)
        self.hours = to


def _library() -> str:
    found = next(iter(sorted(Path("/usr/lib").glob(LIBRARIES))), None)
    if found is None:
        raise NotPossibleHere("libfaketime is not installed")
    return str(found)


def jump_clock(*processes: str, hours: int) -> Fault:
    """Let the clock of these processes jump while a job runs and another waits; it is set right when all have ended."""

    def inject(context: FaultContext) -> None:
        with _sharing_a_clock(context, processes) as clock:
            with suspended_at(context, "after a round", SEEDS):
                context.driver.promises()
                clock.jump(to=hours)
                context.service.mark_fault(clock_shift=hours * HOUR)
            until(context.settled)
            until(context.all_delivered)

    return inject


@contextmanager
def _sharing_a_clock(context: FaultContext, processes: Sequence[str]) -> Iterator[Clock]:
    """Start these processes again with a clock of their own, and with the true one when the block ends."""
    with tempfile.TemporaryDirectory(prefix="ted-clock-") as folder:
        Path(folder).chmod(0o755)  # the database's user must read it
        clock = Clock(Path(folder, "clock"))
        _restart(context, processes, clock.environment)
        yield clock
        _restart(context, processes, {})


def _restart(context: FaultContext, processes: Sequence[str], environment: Mapping[str, str]) -> None:
    for name in processes:
        if name in MODULES:
            context.service.stop(name)
            context.service.start(name, environment=environment)
        elif context.cluster:
            context.cluster.stop()
            context.cluster.start(**environment)
