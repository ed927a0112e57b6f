"""Owners of a test: threads that meet to exchange what they know."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import Any

from ted_core.datasets.exchange.owner import Owner

SECONDS = 20


class Meeting:
    """Where all owners bring a value and take those of all."""

    def __init__(self, count: int) -> None:
        self.barrier, self.values = Barrier(count), [None] * count

    def exchange(self, number: int, value: Any) -> list[Any]:
        """What the owners have brought, once all have."""
        self.values[number] = value
        self.barrier.wait(SECONDS)
        values = list(self.values)
        self.barrier.wait(SECONDS)
        return values


def with_owners(count: int, work: Callable[[Owner], Any]) -> list[Any]:
    """What each owner's ``work`` returns. What one of them raises is raised here, and ends the others."""
    meeting = Meeting(count)

    def run(number: int) -> Any:
        try:
            return work(Owner(number, count, partial(meeting.exchange, number)))
        except BaseException as error:
            meeting.barrier.abort()
            return error

    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(run, range(count)))
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return results
