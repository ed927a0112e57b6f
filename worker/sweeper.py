"""``python -m worker.sweeper``: publishes wake-ups and takes care of jobs that others have dropped.

Any number of sweepers may run: the one with the leader's lease sweeps, the others wait to replace it. All of them send
webhook deliveries.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from threading import Event

import structlog
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError as DatabaseError

from ted_core.storage.private_files import keep_new_files_private
from ted_jobs.db.engine import make_engine
from ted_jobs.db.presence import presence
from ted_jobs.jobs import maintenance
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings
from worker import maintenance_tasks
from worker.maintenance_tasks import MaintenanceTask
from worker.webhooks.sender import sender_thread

log = structlog.get_logger()

ROLE = "sweeper"
LEADERSHIP_SECONDS = 5.0
"""How long a silent leader keeps the lead. Two at once do no harm: all writes of their tasks are conditional."""
UNFINISHED_SECONDS = 1.0
"""A sweep that takes so long may have left work for the next one."""


class SweepSchedule:
    """When to sweep: if jobs wait for it, and once in a while if none does.

    To look for them is to read, and a service that has nothing to do writes nothing.
    """

    def __init__(self, *, rest_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``rest_seconds``: how long no sweep is needed while no job waits for one."""
        self.rest_seconds = rest_seconds
        self._clock = clock
        self._resting_until = float("-inf")

    def run_if_due(self, engine: Engine, sweep: Callable[[], object]) -> None:
        """Call ``sweep`` if it is time."""
        began = self._clock()
        if began < self._resting_until and not maintenance.is_work_due(engine):
            return
        sweep()
        ended = self._clock()
        self._resting_until = ended + (self.rest_seconds if ended - began < UNFINISHED_SECONDS else 0)


def sweep(engine: Engine, *, tasks: Mapping[str, MaintenanceTask], holder: str) -> None:
    """Run every task once, unless another process leads. A task that fails is tried again in the next sweep.

    To lead is to write, so it is done only if jobs wait; what is left to do besides is old rows and files.
    """
    may_sweep = maintenance.acquire_leadership if maintenance.is_work_due(engine) else maintenance.may_lead
    if not may_sweep(engine, ROLE, holder=holder, seconds=LEADERSHIP_SECONDS):
        return
    for name, task in tasks.items():
        try:
            count = task(engine)
        except (DatabaseError, BrokerError, OSError) as error:
            log.warning("maintenance task failed", task=name, error=str(error))
        except Exception:  # a defect, or a row of another version; the other tasks are done all the same
            log.exception("maintenance task crashed", task=name)
        else:
            if count:
                log.info("maintenance task done", task=name, count=count)


def run_sweeper(settings: Settings, *, stop: Event) -> None:
    """Sweep until ``stop`` is set. If the database is unreachable, wait for it."""
    engine = make_engine(settings.database)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    sweep_once = partial(sweep, engine, tasks=maintenance_tasks.maintenance_tasks(settings), holder=holder)
    schedule = SweepSchedule(rest_seconds=maintenance_tasks.MINUTE)
    with (
        sender_thread(engine, reach=settings.webhook_targets, pause=settings.sweep_seconds),
        closing(presence(engine)) as lock,
    ):
        log.info("sweeper ready", holder=holder)
        while not stop.is_set():
            try:
                schedule.run_if_due(engine, sweep_once)
                lock.renew()
            except DatabaseError as error:
                log.warning("database does not answer", error=str(error.orig))
            except OSError as error:  # sweeping goes on; only /metrics and the doctor miss it
                log.warning("lock cannot be taken", error=str(error))
            stop.wait(settings.sweep_seconds)
        with suppress(DatabaseError):
            maintenance.release_leadership(engine, ROLE, holder=holder)


def main() -> None:
    """Sweep until SIGTERM or SIGINT."""
    settings = Settings()
    stop = Event()
    keep_new_files_private()
    configure_logging(settings.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sweeper(settings, stop=stop)


if __name__ == "__main__":
    main()
