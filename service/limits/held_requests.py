"""How many requests of one client may wait at the same time: for events, for news of a job, for a name server."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class HeldRequests:
    """Counts the requests of each client that are held open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def hold(self, client: str) -> Iterator[bool]:
        """Count a request as held while the block runs; yield whether it may be, which is not counted if it may not."""
        if not self._begin(client):
            yield False
            return
        try:
            yield True
        finally:
            self._end(client)

    def _begin(self, client: str) -> bool:
        with self._lock:
            may_begin = not self.most or self._held[client] < self.most
            self._held[client] += may_begin
            return may_begin

    def _end(self, client: str) -> None:
        with self._lock:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
