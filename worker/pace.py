"""How fast training goes and how long it will take, told a few times a second at most."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

TOLD_EVERY_SECONDS = 0.25


@dataclass
class Pace:
    """Counts work done against work to do."""

    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._told = self._started - TOLD_EVERY_SECONDS

    def due(self) -> bool:
        """Whether enough time has passed to speak again; true at most every quarter second."""
        moment = self.clock()
        if moment - self._told < TOLD_EVERY_SECONDS:
            return False
        self._told = moment
        return True

    def rate(self, done: float) -> float:
        """Units per second so far."""
        return done / max(self.clock() - self._started, 1e-9)

    def seconds_left(self, fraction: float) -> float | None:
        """Seconds to go when this fraction is done; None before anything is."""
        return (self.clock() - self._started) * (1 - fraction) / fraction if fraction > 0 else None
