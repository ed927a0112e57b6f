"""Whether the broker answers. Jobs are taken without it; they only start later."""

import threading
import time
from collections.abc import Callable

PROBE_CACHE_SECONDS = 3.0


class BrokerProbe:
    """The newest answer to the question, asked again when it is a few seconds old, by one request at a time."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask, self._asking = ask, threading.Lock()
        self._answers, self._asked_at = False, float("-inf")

    def answers(self) -> bool:
        """Whether the broker answers, as of a few seconds ago."""
        with self._asking:
            if time.monotonic() - self._asked_at > PROBE_CACHE_SECONDS:
                self._answers, self._asked_at = self._ask(), time.monotonic()
            return self._answers
