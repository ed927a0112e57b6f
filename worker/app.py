"""The Celery entry point: a process that waits for wake-ups and forks a child to handle them. It never loads torch."""

import multiprocessing
import os
from functools import cache
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_process_init, worker_shutting_down
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ted_core.storage.private_files import keep_new_files_private
from ted_core.storage.roots import file_store
from ted_jobs.db.engine import make_engine
from ted_jobs.files import garbage
from ted_jobs.logs import configure_logging
from ted_jobs.queue.celery import QUEUE_NAME, celery_app
from ted_jobs.settings import Settings
from worker.child.standby import Standby
from worker.tasks import register_prune_task
from worker.timing.benchmark import running_benchmark

log = structlog.get_logger()
settings = Settings()
# Created before the pool forks, so that the child sees what the parent sets.
_stopping = multiprocessing.get_context("fork").Event()
_standby = Standby()


@cache
def engine() -> Engine:
    """Return this process's own engine: connections do not survive a fork."""
    return make_engine(settings.database)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    _stopping.set()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _warm_up(**_: Any) -> None:
    """In the child that runs the jobs: what their runners are forked from starts, and ends, with it."""
    _standby.warm_up()


app: Celery = celery_app(settings)
register_prune_task(app, settings=settings, engine=engine, shutting_down=_stopping.is_set, start_runner=_standby.start)


def clear_work_folder(settings: Settings) -> None:
    """Delete what crashed attempts left in this machine's work folder, but nothing that other workers are using.

    If the database does not answer, this waits for the next start.
    """
    engine = make_engine(settings.database)  # not the pool of the process that is forked later
    try:
        work = file_store(settings.work)
        for names in garbage.job_folder_batches(work):
            garbage.remove_orphans(engine, work, names, keep=garbage.keep_in_work_folder, kept_seconds=0)
    except DBAPIError as error:
        log.warning("work folder not cleared", error=str(error))
    finally:
        engine.dispose()


def main() -> None:
    """Run jobs until SIGTERM; a running job is then returned to the queue."""
    keep_new_files_private()
    configure_logging(settings.log_level)
    clear_work_folder(settings)
    arguments = ["--queues", QUEUE_NAME, "--loglevel", settings.log_level, "--without-gossip", "--without-mingle"]
    with running_benchmark(settings):
        app.worker_main(["worker", "--hostname", f"ted-{os.getpid()}@%h", *arguments])
