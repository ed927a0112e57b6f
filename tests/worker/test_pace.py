"""How fast, and how long still."""

import pytest

from worker.pace import Pace


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_speaks_at_once_and_then_four_times_a_second_at_most() -> None:
    clock = Clock()
    pace = Pace(clock)

    spoken = 0
    for _ in range(100):
        spoken += pace.due()
        clock.seconds += 0.01

    assert spoken == 4


def test_it_counts_per_second_and_looks_ahead() -> None:
    clock = Clock()
    pace = Pace(clock)

    clock.seconds += 10

    assert pace.rate(500) == pytest.approx(50)
    assert pace.seconds_left(0.25) == pytest.approx(30)
    assert pace.seconds_left(0) is None
