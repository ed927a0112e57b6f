"""Who may wait for a turn, and who is told to come back."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from ted_jobs.errors import RecutBusy
from ted_jobs.files.turns import Turns
from tests.servers.stacks import until


class Visitors:
    """Threads that have their turn, or wait for it, until they may go."""

    def __init__(self, turns: Turns, threads: ThreadPoolExecutor) -> None:
        self.turns, self.threads, self.may_go = turns, threads, Event()
        self.done: list[str] = []

    def come(self, tenant: str) -> Future[None]:
        visit = self.threads.submit(self._visit, tenant)
        until(lambda: visit.running() or visit.done())
        return visit

    def _visit(self, tenant: str) -> None:
        with self.turns.turn(tenant):
            self.may_go.wait(30)
            self.done.append(tenant)


@pytest.fixture
def visitors() -> Iterator[Visitors]:
    with ThreadPoolExecutor(8) as threads:
        visitors = Visitors(Turns(most=3, most_of_one=2), threads)
        yield visitors
        visitors.may_go.set()


def test_a_tenant_that_waits_often_enough_is_told_to_come_back_and_another_is_not(visitors: Visitors) -> None:
    first = [visitors.come("first"), visitors.come("first")]

    assert isinstance(visitors.come("first").exception(5), RecutBusy)
    second = visitors.come("second")
    assert isinstance(visitors.come("third").exception(5), RecutBusy)

    visitors.may_go.set()
    assert [visit.result(5) for visit in (*first, second)] == [None] * 3
    assert sorted(visitors.done) == ["first", "first", "second"]


def test_whoever_has_gone_leaves_room(visitors: Visitors) -> None:
    visitors.may_go.set()

    for _ in range(5):
        visitors.come("first").result(5)

    assert visitors.done == ["first"] * 5
