"""How fast, and how long still."""

import pytest

from worker.timing.eta import EtaEstimate, EtaEstimator


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_estimates_come_at_once_and_then_at_most_four_times_a_second() -> None:
    clock = Clock()
    pace = EtaEstimator(clock)

    spoken = 0
    for step in range(100):
        spoken += pace.estimate(step, step / 100) is not None
        clock.seconds += 0.01

    assert spoken == 4


def test_the_first_step_has_no_speed_however_long_it_took() -> None:
    clock = Clock()
    pace = EtaEstimator(clock)
    clock.seconds += 60

    assert pace.estimate(128, 0.1) == EtaEstimate(None, None)


def test_speed_and_time_left_are_measured_from_the_first_step() -> None:
    clock = Clock()
    pace = EtaEstimator(clock)
    pace.estimate(100, 0.1)

    clock.seconds += 10
    speed = pace.estimate(600, 0.35)

    assert speed is not None
    assert speed.samples_per_second == pytest.approx(50)
    assert speed.eta_seconds == pytest.approx(26)
