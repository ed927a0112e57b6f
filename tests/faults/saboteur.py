"""``python -m tests.faults.saboteur MODULE``: the product's own entry point, with points at which tests may strike.

It changes nothing else, but for what the environment asks: a clock that is wrong in this process alone, and patience
with lost hints and with webhooks' receivers that is as short, beside the lease, as it is in service.
"""

import datetime
import os
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.faults.points import FOLDER, POINTS, Point, strike

Function = Callable[..., Any]
CLOCK_SHIFT, RUNNER, PATIENCE = "TED_FAULT_CLOCK_SHIFT", "TED_FAULT_RUNNER", "TED_FAULT_PATIENCE"
ATTEMPT_SECONDS = "TED_FAULT_ATTEMPT_SECONDS"


def main() -> None:
    """Prepare this process, then become the module."""
    module = sys.argv.pop(1)
    _shift_clock(float(os.environ.get(CLOCK_SHIFT, "0")))
    for point in POINTS.get(module, ()):
        _watch(point, Path(os.environ[FOLDER]))
    PREPARATIONS.get(module, lambda: None)()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch(point: Point, folder: Path) -> None:
    module, _, path = point.function.partition(":")
    *outer, name = path.split(".")
    owner = import_module(module)
    for attribute in outer:
        owner = getattr(owner, attribute)
    setattr(owner, name, EDGES[point.edge](getattr(owner, name), lambda arguments: _there(point, folder, arguments)))


def _there(point: Point, folder: Path, arguments: Sequence[object]) -> None:
    if any(point.given in str(argument) for argument in arguments):
        strike(folder, point.name)


def _before(function: Function, there: Callable[[Sequence[object]], None]) -> Function:
    @wraps(function)
    def watched(*arguments: Any, **options: Any) -> Any:
        there(arguments)
        return function(*arguments, **options)

    return watched


def _after(function: Function, there: Callable[[Sequence[object]], None]) -> Function:
    @wraps(function)
    def watched(*arguments: Any, **options: Any) -> Any:
        found = function(*arguments, **options)
        there(arguments)
        return found

    return watched


EDGES = {"before": _before, "after": _after}


def _choose_runner() -> None:
    """Runners are watched too, or replaced by one that trains nothing."""
    child = import_module("worker.child")
    runner = os.environ[RUNNER]
    child.RUNNER_COMMAND = (
        (sys.executable, "-m", "tests.faults.saboteur", runner) if runner in POINTS else (sys.executable, runner)
    )


def _shorten_patience() -> None:
    import_module("ted_jobs.queue.outbox").FIRST_BACKOFF_SECONDS = float(os.environ[PATIENCE])
    attempt, sending = float(os.environ[ATTEMPT_SECONDS]), import_module("worker.webhook_sender")
    sending.ATTEMPT_SECONDS, sending.RETRY_SCHEDULE = attempt, [attempt / 2] * len(sending.RETRY_SCHEDULE)
    import_module("ted_jobs.webhooks.deliveries").CLAIM_SECONDS = 3 * attempt


PREPARATIONS = {"worker": _choose_runner, "worker.sweeper": _shorten_patience}


def _shift_clock(seconds: float) -> None:
    """Every Python clock that tells the time of day; those that measure spans go on as they were."""
    if not seconds:
        return
    true, true_ns, true_datetime = time.time, time.time_ns, datetime.datetime
    time.time = lambda: true() + seconds
    time.time_ns = lambda: true_ns() + int(seconds * 1e9)

    class Likeness(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

    class Shifted(true_datetime, metaclass=Likeness):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return true_datetime.now(tz) + datetime.timedelta(seconds=seconds)

    datetime.datetime = Shifted  # type: ignore[misc]


if __name__ == "__main__":
    main()
