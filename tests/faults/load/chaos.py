"""Faults at random moments, one after the other, until the work is done."""

import random
import time
from collections.abc import Callable, Iterator

import psutil

from tests.faults.faults import FaultContext
from tests.faults.service import LEASE

PAUSE_SECONDS = (1.0, 4.0)
"""Least and most between two faults."""


def _kill(name: str) -> Callable[[FaultContext], None]:
    def inject(context: FaultContext) -> None:
        context.service.kill(name)
        context.service.start_missing()

    return inject


def _kill_those_below_the_worker(context: FaultContext) -> None:
    for process in [*context.service.process("worker").children(), *context.service.runners()]:
        if process.is_running():
            process.kill()


def _freeze_the_worker(context: FaultContext) -> None:
    processes = [context.service.process("worker"), *context.service.process("worker").children(recursive=True)]
    living = [process for process in processes if process.is_running()]
    for process in living:
        process.suspend()
    time.sleep(LEASE + 1)
    for process in living:
        process.resume()


def _crash_the_database(context: FaultContext) -> None:
    if context.cluster:
        context.cluster.crash()
        context.cluster.start()


ANY_TIME: dict[str, Callable[[FaultContext], None]] = {
    "worker killed": _kill("worker"),
    "API killed": _kill("api"),
    "sweeper killed": _kill("sweeper"),
    "broker killed": _kill("broker"),
    "Celery child and runner killed": _kill_those_below_the_worker,
    "worker frozen past its lease": _freeze_the_worker,
    "FLUSHALL": lambda context: context.service.flush_broker(),
    "database crashed": _crash_the_database,
}


def random_faults(context: FaultContext, *, seed: int) -> Iterator[str]:
    """Inject fault after fault and yield the name of each. The seed decides their order and the pauses between them."""
    rng = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    context.service.mark_fault()
    while True:
        time.sleep(rng.uniform(*PAUSE_SECONDS))
        name = rng.choice(sorted(ANY_TIME))
        try:
            ANY_TIME[name](context)
        except psutil.NoSuchProcess:  # it has ended since it was found
            continue
        yield name
