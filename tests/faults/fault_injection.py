"""``python -m tests.faults.fault_injection MODULE``: run the product's own entry point, with failpoints for tests.

It changes nothing else, except what environment variables ask for: a clock that is wrong in this process alone, and
waits for lost wake-ups and for webhooks' receivers that are as short, relative to the lease, as in service.
"""

import datetime
import os
import resource
import runpy
import select
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.faults.failpoints import FAILPOINTS, FOLDER, Failpoint, trigger

INJECTION = "tests.faults.fault_injection"
Function = Callable[..., Any]
CLOCK_SHIFT, RUNNER, FIRST_BACKOFF = "TED_FAULT_CLOCK_SHIFT", "TED_FAULT_RUNNER", "TED_FAULT_FIRST_BACKOFF"
OPEN_FILES = "TED_FAULT_OPEN_FILES"
ATTEMPT_SECONDS, MAINTENANCE_SECONDS = "TED_FAULT_ATTEMPT_SECONDS", "TED_FAULT_MAINTENANCE_SECONDS"


def main() -> None:
    """Prepare this process, then become the module."""
    module = sys.argv.pop(1)
    if most := os.environ.get(OPEN_FILES):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), int(most)))
    _shift_clock(float(os.environ.get(CLOCK_SHIFT, "0")))
    if "faketime" in os.environ.get("LD_PRELOAD", ""):
        time.sleep = _sleep
    for point in FAILPOINTS.get(module, ()):
        _watch(point, Path(os.environ[FOLDER]))
    PREPARATIONS.get(module, lambda: None)()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _sleep(seconds: float) -> None:
    """Sleep without ``clock_nanosleep`` and its absolute times, which libfaketime refuses."""
    select.select([], [], [], seconds)


def _watch(point: Failpoint, folder: Path) -> None:
    module, _, path = point.function.partition(":")
    *outer, name = path.split(".")
    owner = import_module(module)
    for attribute in outer:
        owner = getattr(owner, attribute)
    setattr(owner, name, EDGES[point.edge](getattr(owner, name), lambda arguments: _reach(point, folder, arguments)))


def _reach(point: Failpoint, folder: Path, arguments: Sequence[object]) -> None:
    if any(point.given in str(argument) for argument in arguments):
        trigger(folder, point.name)


def _before(function: Function, reach: Callable[[Sequence[object]], None]) -> Function:
    @wraps(function)
    def watched(*arguments: Any, **options: Any) -> Any:
        reach(arguments)
        return function(*arguments, **options)

    return watched


def _after(function: Function, reach: Callable[[Sequence[object]], None]) -> Function:
    @wraps(function)
    def watched(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        reach(arguments)
        return result

    return watched


EDGES = {"before": _before, "after": _after}


def _choose_runner() -> None:
    """Give runners failpoints too, or replace them by one that trains nothing."""
    starting, standby = import_module("worker.child.starting"), import_module("worker.child.standby")
    runner, standby_module = os.environ[RUNNER], standby.COMMAND[-1]
    if runner in FAILPOINTS:
        starting.RUNNER_COMMAND = (sys.executable, "-m", INJECTION, runner)
        standby.COMMAND = (sys.executable, "-m", INJECTION, standby_module)
    else:
        starting.RUNNER_COMMAND = (sys.executable, runner)
        standby.Standby.start = lambda _, streams: starting.start_cold(streams)
        standby.Standby.warm_up = lambda _: None


def _shorten_waits() -> None:
    import_module("ted_jobs.queue.outbox").FIRST_BACKOFF_SECONDS = float(os.environ[FIRST_BACKOFF])
    attempt, sending = float(os.environ[ATTEMPT_SECONDS]), import_module("worker.webhooks.sender")
    sending.ATTEMPT_SECONDS, sending.RETRY_SCHEDULE = attempt, [attempt / 2] * len(sending.RETRY_SCHEDULE)
    import_module("ted_jobs.webhooks.deliveries").CLAIM_SECONDS = 3 * attempt
    if pause := os.environ.get(MAINTENANCE_SECONDS):
        import_module("worker.maintenance_tasks").MINUTE = float(pause)


PREPARATIONS = {"worker": _choose_runner, "worker.sweeper": _shorten_waits}


def _shift_clock(seconds: float) -> None:
    """Shift every Python clock that tells the time of day; those that measure intervals stay as they are."""
    if not seconds:
        return
    import_module("pandas")  # which pyarrow imports where it is installed, and which needs the datetime of C
    true, true_ns, true_datetime = time.time, time.time_ns, datetime.datetime
    time.time = lambda: true() + seconds
    time.time_ns = lambda: true_ns() + int(seconds * 1e9)

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

    class Shifted(true_datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return true_datetime.now(tz) + datetime.timedelta(seconds=seconds)

    datetime.datetime = Shifted  # type: ignore[misc]


if __name__ == "__main__":
    main()
