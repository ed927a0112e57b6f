"""Whether the broker answers. Jobs are taken without it; they only start later."""

import threading
import time
from collections.abc import Callable

PROBE_CACHE_SECONDS = 3.0


class BrokerProbe:
    """The newest answer to the question, asked again when it is a few seconds old, by one request at a time."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._probe, self._lock = ask, threading.Lock()
        self._reachable, self._probed_at = False, float("-inf")

    def is_reachable(self) -> bool:
        """Whether the broker answers, as of a few seconds ago."""
        with self._lock:
            if time.monotonic() - self._probed_at > PROBE_CACHE_SECONDS:
                self._reachable, self._probed_at = self._probe(), time.monotonic()
            return self._reachable
