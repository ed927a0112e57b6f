"""How long a worker leaves a submitter's jobs to others."""

import pytest

from worker.backoff import SubmitterBackoff


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def seconds_held_back(backoff: SubmitterBackoff, clock: Clock, submitter: str) -> int:
    """For how many whole seconds from now the submitter is held back."""
    began = clock.seconds
    while submitter in backoff.held_back():
        clock.seconds += 1
    return int(clock.seconds - began)


def failing(backoff: SubmitterBackoff, *submitters: str) -> None:
    for submitter in submitters:
        backoff.record(submitter, failed=True)


def test_each_failure_in_a_row_doubles_the_time_up_to_a_minute(clock: Clock) -> None:
    backoff, held = SubmitterBackoff(clock), []

    for _ in range(9):
        failing(backoff, "a")
        held.append(seconds_held_back(backoff, clock, "a"))

    assert held == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_nobody_else_is_held_back(clock: Clock) -> None:
    backoff = SubmitterBackoff(clock)

    failing(backoff, *["a"] * 8)

    assert backoff.held_back() == ["a"]


def test_a_worker_that_fails_everybodys_jobs_holds_each_back_for_longer(clock: Clock) -> None:
    backoff = SubmitterBackoff(clock)

    failing(backoff, "a", "b", "c", "d")

    assert seconds_held_back(backoff, clock, "d") == 8


def test_failures_of_one_submitter_make_the_next_wait_hardly_longer(clock: Clock) -> None:
    backoff = SubmitterBackoff(clock)

    failing(backoff, *["a"] * 8, "b")

    assert seconds_held_back(backoff, clock, "b") == 2


def test_a_success_ends_the_time_of_its_submitter_and_not_that_of_others(clock: Clock) -> None:
    backoff = SubmitterBackoff(clock)
    failing(backoff, "a", "a", "b", "b")

    backoff.record("b", failed=False)

    assert backoff.held_back() == ["a"]
    failing(backoff, "b", "a")
    clock.seconds = 0
    assert seconds_held_back(backoff, clock, "b") == 1
    assert seconds_held_back(backoff, clock, "a") == 3
