"""The speed of training and the time left, estimated a few times a second at most."""

import time
from collections.abc import Callable
from dataclasses import dataclass

REPORT_INTERVAL_SECONDS = 0.25


@dataclass(frozen=True)
class EtaEstimate:
    """Speed and time left; both None at the first step, which has none before it to be measured against."""

    samples_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True)
class _Measurement:
    time: float
    samples: int
    fraction: float


class EtaEstimator:
    """Measures from the first step on: what it takes to set up says nothing about the steps that follow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._first: _Measurement | None = None
        self._reported_at = float("-inf")

    def estimate(self, samples: int, fraction: float) -> EtaEstimate | None:
        """Return an estimate after so many samples and this fraction of the work; None if the last is a moment old."""
        current = _Measurement(self.clock(), samples, fraction)
        if current.time - self._reported_at < REPORT_INTERVAL_SECONDS:
            return None
        self._reported_at = current.time
        self._first = self._first or current
        return _estimate_between(self._first, current)


def _estimate_between(first: _Measurement, current: _Measurement) -> EtaEstimate:
    seconds = current.time - first.time
    fraction = current.fraction - first.fraction
    if seconds <= 0 or fraction <= 0:
        return EtaEstimate()
    return EtaEstimate((current.samples - first.samples) / seconds, seconds * (1 - current.fraction) / fraction)
