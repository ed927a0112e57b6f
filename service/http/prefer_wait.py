"""How long a client will wait for an answer worth having (``Prefer: wait``, RFC 7240)."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.http.dependencies import Caller, State
from service.http.event_stream import EventStreams
from service.limits.held_requests import HeldRequests
from ted_jobs.jobs.models import Job

MOST_SECONDS = 60
MOST_DIGITS = 9
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.1, 1.0, 1.5
"""Seconds between two looks at the job."""

PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+"?)++', re.DOTALL)
"""One preference of the list. A string that is never closed reaches to the end, so that nothing is read twice."""
WAIT = re.compile(r'\s*wait\s*=\s*(?:([0-9]+)|"([0-9]+)")\s*(?:;.*)?', re.IGNORECASE | re.ASCII | re.DOTALL)


@dataclass
class LongPoll:
    """How long one request will wait. While it waits it takes no thread except in the moments of looking."""

    request: Request
    streams: EventStreams
    held: HeldRequests
    client: str
    seconds: int | None

    @property
    def applied_headers(self) -> dict[str, str]:
        """Return the header that says what was made of the preference."""
        return {} if self.seconds is None else {"Preference-Applied": f"wait={self.seconds}"}

    async def wait_until(self, job: Job, look: Callable[[], Job], *, until: Callable[[Job], bool]) -> Job:
        """Return the job once ``until`` holds of it; as it last stood if the time is up before, the client has left,
        the service ends, or the database does not answer. If the client waits for as many answers as it may, the
        preference is ignored."""
        if not self.seconds:
            return job
        with self.held.hold(self.client) as may_wait:
            if may_wait:
                return await self._wait_until(job, look, until)
        self.seconds = None
        return job

    async def _wait_until(self, job: Job, look: Callable[[], Job], until: Callable[[Job], bool]) -> Job:
        deadline, pause = time.monotonic() + (self.seconds or 0), FIRST_PAUSE
        while (
            not until(job)
            and (left := deadline - time.monotonic()) > 0
            and await self._sleep_while_connected(min(pause, left))
        ):
            pause = min(pause * GROWTH, LONGEST_PAUSE)
            try:
                job = await run_in_threadpool(look)
            except SQLAlchemyError:
                break
        return job

    async def _sleep_while_connected(self, seconds: float) -> bool:
        """Sleep, and return whether there is still somebody to wait for."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.streams.closing.wait(), seconds)
        return not (self.streams.closing.is_set() or await self.request.is_disconnected())


def preferred_wait(prefer: str) -> int | None:
    """Return the seconds that the header asks for, cut to the most that are granted; None if it asks for none.

    What cannot be understood is ignored, and of several the first counts, as RFC 7240 has it.
    """
    return next(_wait_preferences(prefer), None)


def _wait_preferences(prefer: str) -> Iterator[int]:
    for preference in PREFERENCE.findall(prefer):
        if wait := WAIT.fullmatch(preference):
            digits = (wait[1] or wait[2]).lstrip("0") or "0"
            yield min(int(digits[:MOST_DIGITS]), MOST_SECONDS)


PreferHeader = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=f"`wait=N`: hold the answer back for up to N seconds, at most {MOST_SECONDS}, until there is "
        "something to tell. Other preferences, and what cannot be understood, are ignored.",
        examples=["wait=30"],
    ),
]


async def long_poll(request: Request, state: State, caller: Caller, _: PreferHeader = None) -> LongPoll:
    """Return how long this request will wait. Raises BodyTooLarge."""
    seconds = preferred_wait(",".join(request.headers.getlist("prefer")))  # a list may come in several headers
    if seconds is not None:
        await request.body()  # what is then received tells of nothing but the client's leaving
    return LongPoll(request, state.streams, state.held, caller.quota_name, seconds)


Poll = Annotated[LongPoll, Depends(long_poll)]
