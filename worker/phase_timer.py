"""How long each phase of a job takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class PhaseTimer:
    """Seconds by phase, of the phases that have ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock

    @contextmanager
    def measure(self, phase: str, *, already: float = 0) -> Iterator[None]:
        """While the block runs, this phase does; earlier attempts have spent so many seconds on it ``already``."""
        began = self._clock()
        yield
        self.seconds[phase] = round(already + self._clock() - began, 3)

    @property
    def total(self) -> float:
        """The seconds of all phases that have ended."""
        return sum(self.seconds.values())
