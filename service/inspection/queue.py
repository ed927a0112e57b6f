"""Whose dataset is looked at next: tenants share what there is, and none can take all of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.inspection.errors import InspectionBusy

MOST_WAITING, MOST_WAITING_OF_ONE = 256, 64
"""Inspections that may wait at the same time: of all tenants, and of each."""
WAIT_SECONDS = 1.5
"""How long one waits at most."""


@dataclass(frozen=True, eq=False)
class WaitingInspection:
    """An inspection that waits for its turn."""

    tenant: str
    turn: asyncio.Future[None]


class InspectionQueue:
    """Turns for a number of inspections at a time. With two or more, one is always left for other tenants."""

    def __init__(self, most_running: int) -> None:
        self._most_running = most_running
        self._most_of_one = max(1, most_running - 1)
        self._running: Counter[str] = Counter()
        self._waiting: list[WaitingInspection] = []

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """Run the block when it is this tenant's turn. Raises InspectionBusy if too many wait, or for too long."""
        await self._wait(tenant)
        try:
            yield
        finally:
            self._end(tenant)

    async def _wait(self, tenant: str) -> None:
        if self._is_full(tenant):
            raise InspectionBusy
        waiting = WaitingInspection(tenant, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._start_next()
        has_turn = False
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await waiting.turn
            has_turn = True
        except TimeoutError as error:
            raise InspectionBusy from error
        finally:
            if not has_turn:
                self._give_up(waiting)

    def _is_full(self, tenant: str) -> bool:
        of_one = sum(waiting.tenant == tenant for waiting in self._waiting)
        return len(self._waiting) >= MOST_WAITING or of_one >= MOST_WAITING_OF_ONE

    def _start_next(self) -> None:
        """Start what may start: of the tenants with the fewest running, the one that has waited longest."""
        while self._running.total() < self._most_running and (waiting := self._next()):
            self._waiting.remove(waiting)
            self._running[waiting.tenant] += 1
            waiting.turn.set_result(None)

    def _next(self) -> WaitingInspection | None:
        waiting = [one for one in self._waiting if not one.turn.done()]  # the others are about to give up
        may_start = [one for one in waiting if self._running[one.tenant] < self._most_of_one]
        return min(may_start, key=lambda one: self._running[one.tenant], default=None)

    def _give_up(self, waiting: WaitingInspection) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        else:  # its turn came at the same moment
            self._end(waiting.tenant)

    def _end(self, tenant: str) -> None:
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        self._start_next()
