"""Seconds by phase."""

import pytest

from ted_core.results.writing.phase_timer import PhaseTimer


def test_each_phase_takes_as_long_as_its_block_ran() -> None:
    moments = iter([10.0, 10.5, 20.0, 23.0])
    stopwatch = PhaseTimer(lambda: next(moments))

    with stopwatch.measure("loading"):
        pass
    with stopwatch.measure("pruning"):
        pass

    assert stopwatch.seconds == {"loading": 0.5, "pruning": 3.0}
    assert stopwatch.total == 3.5


def test_a_phase_that_raises_is_not_counted() -> None:
    stopwatch = PhaseTimer()

    with pytest.raises(ZeroDivisionError), stopwatch.measure("loading"):
        _ = 1 / 0

    assert stopwatch.seconds == {}
