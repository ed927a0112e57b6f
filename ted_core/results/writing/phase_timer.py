"""How long each phase of a job takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class PhaseTimer:
    """Measures the seconds that each phase takes, from its begin to its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock

    @contextmanager
    def measure(self, phase: str, *, already: float = 0) -> Iterator[None]:
        """Count the block's duration as this phase, with what earlier attempts have ``already`` spent on it."""
        started = self._clock()
        yield
        self.seconds[phase] = round(already + self._clock() - started, 3)

    @property
    def total(self) -> float:
        """Return the seconds of all phases that have ended."""
        return sum(self.seconds.values())
