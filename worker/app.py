"""The Celery entry point: one process that waits for hints and forks a child to answer each. Never loads torch."""

import multiprocessing
import os
from functools import cache
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_shutting_down
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ted_jobs.db.engine import make_engine
from ted_jobs.files import garbage
from ted_jobs.files.listing import LocalJobFolders
from ted_jobs.logs import configure_logging
from ted_jobs.queue.celery import QUEUE_NAME, celery_app
from ted_jobs.settings import Settings
from worker.tasks import register_prune_task

log = structlog.get_logger()
settings = Settings()
# Made before the pool forks, so that its child sees what the parent sets.
_stopping = multiprocessing.get_context("fork").Event()


@cache
def engine() -> Engine:
    """This process's own connection pool."""
    return make_engine(settings.database)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    _stopping.set()


app: Celery = celery_app(settings)
register_prune_task(app, settings=settings, engine=engine, shutting_down=_stopping.is_set)


def clear_work_folder(settings: Settings) -> None:
    """Remove what crashed attempts left in this machine's work folder; those of other workers that run are spared.

    It waits for the next start where the database does not answer.
    """
    engine = make_engine(settings.database)  # not the pool of the process that is forked later
    try:
        work = LocalJobFolders(settings.work)
        for names in garbage.job_folder_batches(work):
            garbage.remove_orphans(engine, work, names, wanted=garbage.keep_in_work_folder, kept_seconds=0)
    except DBAPIError as error:
        log.warning("work folder not cleared", error=str(error))
    finally:
        engine.dispose()


def main() -> None:
    """Serve hints until SIGTERM; a running job is then handed back to the queue."""
    configure_logging(settings.log_level)
    clear_work_folder(settings)
    arguments = ["--queues", QUEUE_NAME, "--loglevel", settings.log_level, "--without-gossip", "--without-mingle"]
    app.worker_main(["worker", "--hostname", f"ted-{os.getpid()}@%h", *arguments])
