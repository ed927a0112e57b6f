"""Two drivers of calls: one blocks its thread, the other awaits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TypeVar

import httpx

from ted_client.flow import Call, Conversation, Do, Facts, Head, Open, Pause, Read, Request, Step, Tell

T = TypeVar("T")


class Line:
    """Carries out calls over httpx. Safe for several threads: what a call holds open is its own."""

    def __init__(self, http: httpx.Client, *, key: str | None) -> None:
        self._http, self._key = http, key

    def result(self, call: Call[T]) -> T:
        """What the call returns."""
        talk = Conversation(call)
        for _ in self._told(talk):
            pass
        return talk.result

    def told(self, call: Call[object]) -> Iterator[Facts]:
        """What the call tells, as it does."""
        return self._told(Conversation(call))

    def _told(self, talk: Conversation[T]) -> Iterator[Facts]:
        hand = _Hand(self._http, self._key)
        try:
            while step := talk.step:
                if isinstance(step, Tell):
                    yield step.fact
                    talk.reply(None)
                    continue
                try:
                    reply = hand.does(step)
                except httpx.TransportError as error:
                    talk.fail(error)
                else:
                    talk.reply(reply)
        finally:
            hand.hang_up()
            talk.close()


class _Hand:
    """Does the steps of one call."""

    def __init__(self, http: httpx.Client, key: str | None) -> None:
        self._http, self._key = http, key
        self._answer: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def does(self, step: Step) -> object:
        """The reply to the step. Raises httpx.TransportError."""
        match step:
            case Open(request):
                return self._opened(request)
            case Read():
                return next(self._chunks, b"")
            case Pause(seconds):
                time.sleep(seconds)
                return None
            case Do(work):
                return work()
        raise AssertionError(step)

    def _opened(self, request: Request) -> Head:
        self.hang_up()
        answer = self._http.send(built(self._http, request, key=self._key), stream=True)
        self._answer, self._chunks = answer, answer.iter_bytes()
        return head_of(answer)

    def hang_up(self) -> None:
        """Close the open answer."""
        if self._answer:
            self._answer.close()


class AsyncLine:
    """The same, awaiting."""

    def __init__(self, http: httpx.AsyncClient, *, key: str | None) -> None:
        self._http, self._key = http, key

    async def result(self, call: Call[T]) -> T:
        """What the call returns."""
        talk = Conversation(call)
        async for _ in self._told(talk):
            pass
        return talk.result

    def told(self, call: Call[object]) -> AsyncIterator[Facts]:
        """What the call tells, as it does."""
        return self._told(Conversation(call))

    async def _told(self, talk: Conversation[T]) -> AsyncIterator[Facts]:
        hand = _AsyncHand(self._http, self._key)
        try:
            while step := talk.step:
                if isinstance(step, Tell):
                    yield step.fact
                    talk.reply(None)
                    continue
                try:
                    reply = await hand.does(step)
                except httpx.TransportError as error:
                    talk.fail(error)
                else:
                    talk.reply(reply)
        finally:
            await hand.hang_up()
            talk.close()


class _AsyncHand:
    """Does the steps of one call, awaiting."""

    def __init__(self, http: httpx.AsyncClient, key: str | None) -> None:
        self._http, self._key = http, key
        self._answer: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def does(self, step: Step) -> object:
        """The reply to the step. Raises httpx.TransportError."""
        match step:
            case Open(request):
                return await self._opened(request)
            case Read():
                return await anext(self._chunks, b"")
            case Pause(seconds):
                await asyncio.sleep(seconds)
                return None
            case Do(work):
                return await asyncio.to_thread(work)
        raise AssertionError(step)

    async def _opened(self, request: Request) -> Head:
        await self.hang_up()
        answer = await self._http.send(built(self._http, request, key=self._key), stream=True)
        self._answer, self._chunks = answer, answer.aiter_bytes()
        return head_of(answer)

    async def hang_up(self) -> None:
        """Close the open answer."""
        if self._answer:
            await self._answer.aclose()


def built(http: httpx.Client | httpx.AsyncClient, request: Request, *, key: str | None) -> httpx.Request:
    """The request for httpx; only the service is shown the key."""
    known = {"Authorization": f"Bearer {key}"} if key and request.is_for_the_service else {}
    body: Mapping[str, object] = {} if request.body is None else {"json": request.body}
    return http.build_request(
        request.method,
        request.url,
        params=request.params or None,
        headers={**known, **request.headers},
        timeout=request.timeout,
        **body,  # type: ignore[arg-type]
    )


def head_of(answer: httpx.Response) -> Head:
    """What the call is told of an answer before it reads on."""
    return Head(answer.status_code, answer.headers, str(answer.url))
