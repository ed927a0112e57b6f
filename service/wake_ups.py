"""Wakes a worker up as soon as a job is stored, without a request that waits for the broker."""

from collections.abc import Callable
from functools import partial
from threading import Event, Thread

import structlog
from sqlalchemy import Engine

from ted_jobs.settings import Settings

log = structlog.get_logger()

PUBLISHING_SECONDS = 2.0
CLOSE_SECONDS = 1.0
"""How long a publication that is under way may take to end; then it is left behind with its thread."""

Publish = Callable[[], object]


def outbox_publisher(engine: Engine, settings: Settings) -> Publish:
    """Return a function that publishes what waits in the outbox, and raises the broker's and the database's errors."""
    from ted_jobs.queue import celery, outbox  # noqa: PLC0415 - the API listens before Celery is loaded

    notify = partial(celery.notify, celery.celery_app(settings))
    return lambda: outbox.drain(engine, notify, seconds=PUBLISHING_SECONDS)


class WakeUps:
    """Publishes on a thread of its own, once for all requests that have asked for it meanwhile.

    With the broker away or hung only this thread waits; the wake-ups stay in the outbox, from which the sweeper
    publishes too.
    """

    def __init__(self, prepare: Callable[[], Publish]) -> None:
        """``prepare`` is called on that thread and returns what publishes."""
        self._prepare = prepare
        self._asked = Event()
        self._is_closing = False
        self._thread = Thread(target=self._run, name="wake-ups", daemon=True)
        self._thread.start()

    def publish_soon(self) -> None:
        """Publish what is in the outbox now; does not wait for it."""
        self._asked.set()

    def close(self) -> None:
        """Publish nothing more."""
        self._is_closing = True
        self._asked.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        publish = self._prepare()
        while self._asked.wait() and not self._is_closing:
            self._asked.clear()
            try:
                publish()
            except Exception as error:  # whatever it is, the sweeper tries the same every moment, and says so
                log.info("wake-ups left to the sweeper", error=str(error))
