"""``python -m worker.sweeper``: publishes hints and picks up what others dropped. A process of its own.

Any number may run; the one with the leader's lease works, the others wait to replace it. All of them send what webhooks
are to be told.
"""

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from threading import Event

import structlog
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError as DatabaseError

from ted_jobs.db.engine import make_engine
from ted_jobs.jobs import maintenance
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings
from worker.maintenance_tasks import MaintenanceTask, maintenance_tasks
from worker.webhook_sender import sender_thread

log = structlog.get_logger()

ROLE = "sweeper"
LEADERSHIP_SECONDS = 5.0
"""How long a leader that fell silent is waited for. Two at once do no harm: every chore's writes are conditional."""


def sweep(engine: Engine, *, todo: Mapping[str, MaintenanceTask], holder: str) -> None:
    """Do every chore once, if this process leads. A chore that fails is tried again in the next sweep."""
    if not maintenance.acquire_leadership(engine, ROLE, holder=holder, seconds=LEADERSHIP_SECONDS):
        return
    for name, chore in todo.items():
        try:
            done = chore(engine)
        except (DatabaseError, BrokerError, OSError) as error:
            log.warning("chore failed", chore=name, error=str(error))
        except Exception:  # a defect, or a row that another version wrote: no reason to publish no hints
            log.exception("chore broke off", chore=name)
        else:
            if done:
                log.info("chore done", chore=name, times=done)


def run_sweeper(settings: Settings, *, stop: Event) -> None:
    """Sweep until told to stop. A database that is away is waited for."""
    engine, todo = make_engine(settings.database), maintenance_tasks(settings)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    with sender_thread(engine, reach=settings.webhook_targets, pause=settings.sweep_seconds):
        log.info("sweeper ready", holder=holder)
        while not stop.is_set():
            try:
                sweep(engine, todo=todo, holder=holder)
            except DatabaseError as error:
                log.warning("database does not answer", error=str(error.orig))
            stop.wait(settings.sweep_seconds)
        with suppress(DatabaseError):
            maintenance.release_leadership(engine, ROLE, holder=holder)


def main() -> None:
    """Sweep until SIGTERM or SIGINT."""
    settings, stop = Settings(), Event()
    configure_logging(settings.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sweeper(settings, stop=stop)


if __name__ == "__main__":
    main()
