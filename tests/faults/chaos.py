"""Faults that strike at a moment of their own choosing, one after the other, until the work is done."""

import random
import time
from collections.abc import Callable, Iterator

import psutil

from tests.faults.faults import Scene
from tests.faults.service import LEASE

PAUSE_SECONDS = (1.0, 4.0)
"""Least and most between two faults."""


def _kill(name: str) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        scene.service.kill(name)
        scene.service.mend()

    return strike


def _kill_those_below_the_worker(scene: Scene) -> None:
    for process in [*scene.service.process("worker").children(), *scene.service.runners()]:
        if process.is_running():
            process.kill()


def _freeze_the_worker(scene: Scene) -> None:
    frozen = [scene.service.process("worker"), *scene.service.process("worker").children(recursive=True)]
    living = [process for process in frozen if process.is_running()]
    for process in living:
        process.suspend()
    time.sleep(LEASE + 1)
    for process in living:
        process.resume()


def _crash_the_database(scene: Scene) -> None:
    if scene.cluster:
        scene.cluster.crash()
        scene.cluster.start()


ANY_TIME: dict[str, Callable[[Scene], None]] = {
    "worker killed": _kill("worker"),
    "API killed": _kill("api"),
    "sweeper killed": _kill("sweeper"),
    "broker killed": _kill("broker"),
    "Celery child and runner killed": _kill_those_below_the_worker,
    "worker frozen past its lease": _freeze_the_worker,
    "FLUSHALL": lambda scene: scene.service.flush_broker(),
    "database crashed": _crash_the_database,
}


def strikes(scene: Scene, *, seed: int) -> Iterator[str]:
    """Fault after fault, with pauses; yields what was done. The seed decides the order and the pauses."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    scene.service.struck()
    while True:
        time.sleep(chance.uniform(*PAUSE_SECONDS))
        name = chance.choice(sorted(ANY_TIME))
        try:
            ANY_TIME[name](scene)
        except psutil.NoSuchProcess:  # it has ended between being found and being struck
            continue
        yield name
