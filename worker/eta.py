"""How fast training goes and how long it will take, told a few times a second at most."""

import time
from collections.abc import Callable
from dataclasses import dataclass

REPORT_INTERVAL_SECONDS = 0.25


@dataclass(frozen=True)
class EtaEstimate:
    """Both None at the first step, which has nothing to be measured against."""

    samples_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True)
class _Measurement:
    moment: float
    samples: int
    fraction: float


class EtaEstimator:
    """Measures from the first step on: what a first step takes to set up says nothing about the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._first: _Measurement | None = None
        self._reported_at = float("-inf")

    def estimate(self, samples: int, fraction: float) -> EtaEstimate | None:
        """The speed after so many samples and this fraction of the work; None where it was told a moment ago."""
        here = _Measurement(self.clock(), samples, fraction)
        if here.moment - self._reported_at < REPORT_INTERVAL_SECONDS:
            return None
        self._reported_at = here.moment
        self._first = self._first or here
        return _estimate_between(self._first, here)


def _estimate_between(first: _Measurement, here: _Measurement) -> EtaEstimate:
    seconds, done = here.moment - first.moment, here.fraction - first.fraction
    if seconds <= 0 or done <= 0:
        return EtaEstimate()
    return EtaEstimate((here.samples - first.samples) / seconds, seconds * (1 - here.fraction) / done)
