"""Whose dataset is looked at next."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.inspection import queue
from service.inspection.errors import InspectionBusy
from service.inspection.queue import InspectionQueue


async def held(turns: InspectionQueue, *tenants: str) -> AsyncExitStack:
    """A turn for each, until the stack is closed."""
    stack = AsyncExitStack()
    for tenant in tenants:
        await stack.enter_async_context(turns.turn(tenant))
    return stack


def test_a_tenant_leaves_one_process_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WAIT_SECONDS", 0.05)

    async def scenario() -> None:
        turns = InspectionQueue(3)
        async with await held(turns, "greedy", "greedy"):
            with pytest.raises(InspectionBusy):
                await held(turns, "greedy")
            async with await held(turns, "modest"):
                with pytest.raises(InspectionBusy):
                    await held(turns, "third")

    asyncio.run(scenario())


def test_one_process_serves_one_tenant_after_the_other() -> None:
    async def scenario() -> None:
        turns = InspectionQueue(1)
        for tenant in ("one", "one", "other"):
            async with await held(turns, tenant):
                pass

    asyncio.run(scenario())


def test_whoever_has_the_fewest_running_is_next_and_of_those_the_first() -> None:
    async def scenario() -> list[str]:
        turns, order = InspectionQueue(2), []

        async def look(tenant: str) -> None:
            async with turns.turn(tenant):
                order.append(tenant)

        async with await held(turns, "greedy"):
            async with await held(turns, "modest"):
                waiting = [asyncio.create_task(look(tenant)) for tenant in ("greedy", "third", "modest", "fourth")]
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert order == ["third", "modest", "fourth"], "the greedy one still has its share"
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(scenario()) == ["third", "modest", "fourth", "greedy"]


@pytest.mark.parametrize("limit", ["MOST_WAITING", "MOST_WAITING_OF_ONE"])
def test_where_too_many_wait_the_next_is_refused_at_once(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, limit, 1)

    async def scenario() -> None:
        turns = InspectionQueue(1)
        async with await held(turns, "one"):
            waiting = asyncio.create_task(held(turns, "one"))
            await asyncio.sleep(0)
            async with asyncio.timeout(0.1):
                with pytest.raises(InspectionBusy):
                    await held(turns, "one")
        await (await waiting).aclose()

    asyncio.run(scenario())


def test_who_gives_up_leaves_no_turn_behind() -> None:
    async def scenario() -> None:
        turns = InspectionQueue(1)
        first = await held(turns, "one")
        in_time, too_late = (asyncio.create_task(held(turns, "one")) for _ in range(2))
        await asyncio.sleep(0)
        too_late.cancel()
        await first.aclose()  # gives the turn to the one whose task is cancelled at the same moment
        in_time.cancel()
        await asyncio.gather(in_time, too_late, return_exceptions=True)

        async with asyncio.timeout(0.1), await held(turns, "one"):
            pass

    asyncio.run(scenario())
