"""Whether the broker answers. Jobs are taken without it; they only start later."""

import threading
import time
from collections.abc import Callable

from ted_jobs.settings import Settings

PROBE_CACHE_SECONDS = 3.0


def is_broker_reachable(settings: Settings) -> bool:
    """Return whether the broker accepts a connection within about a second."""
    from ted_jobs.queue import celery  # noqa: PLC0415 - the API listens before Celery is loaded

    return celery.is_broker_reachable(settings)


class BrokerProbe:
    """Remembers whether the broker was reachable, and looks again after a few seconds, one request at a time."""

    def __init__(self, probe: Callable[[], bool]) -> None:
        self._probe = probe
        self._lock = threading.Lock()
        self._reachable = False
        self._probed_at = float("-inf")

    def is_reachable(self) -> bool:
        """Return whether the broker answers, as of a few seconds ago."""
        with self._lock:
            if time.monotonic() - self._probed_at > PROBE_CACHE_SECONDS:
                self._reachable = self._probe()
                self._probed_at = time.monotonic()
            return self._reachable
