"""Work that is done one piece at a time, and few enough that wait for their turn: each of them occupies a thread."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ted_jobs.errors import RecutBusy


class Turns:
    """One turn at a time. Of those that have it or wait for it, only so many may be there, and of one tenant fewer."""

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._present = Counter[str]()
        self._counting, self._working = Lock(), Lock()

    @contextmanager
    def turn(self, tenant: str) -> Iterator[None]:
        """Run the block when it is its turn. Raises RecutBusy at once if too many are there already."""
        self._enter(tenant)
        try:
            with self._working:
                yield
        finally:
            with self._counting:
                self._present[tenant] -= 1
                if not self._present[tenant]:
                    del self._present[tenant]

    def _enter(self, tenant: str) -> None:
        with self._counting:
            if self._present.total() >= self._most or self._present[tenant] >= self._most_of_one:
                raise RecutBusy
            self._present[tenant] += 1
