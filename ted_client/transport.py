"""Two drivers of calls: one blocks its thread, the other awaits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TypeVar

import httpx

from ted_client.flow import (
    Emit,
    Flow,
    FlowRunner,
    FlowStep,
    JsonObject,
    ReadChunk,
    Request,
    ResponseHead,
    RunBlocking,
    SendRequest,
    Sleep,
)

T = TypeVar("T")


class Transport:
    """Carries out calls over httpx. Safe for several threads: what a call holds open is its own."""

    def __init__(self, http: httpx.Client, *, key: str | None) -> None:
        self._http, self._key = http, key

    def result(self, call: Flow[T]) -> T:
        """What the call returns."""
        talk = FlowRunner(call)
        for _ in self._run(talk):
            pass
        return talk.result

    def emitted(self, call: Flow[object]) -> Iterator[JsonObject]:
        """What the call tells, as it does."""
        return self._run(FlowRunner(call))

    def _run(self, talk: FlowRunner[T]) -> Iterator[JsonObject]:
        hand = _StepExecutor(self._http, self._key)
        try:
            while step := talk.step:
                if isinstance(step, Emit):
                    yield step.item
                    talk.send(None)
                    continue
                try:
                    reply = hand.execute(step)
                except httpx.TransportError as error:
                    talk.throw(error)
                else:
                    talk.send(reply)
        finally:
            hand.close()
            talk.close()


class _StepExecutor:
    """Does the steps of one call."""

    def __init__(self, http: httpx.Client, key: str | None) -> None:
        self._http, self._key = http, key
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def execute(self, step: FlowStep) -> object:
        """The reply to the step. Raises httpx.TransportError."""
        match step:
            case SendRequest(request):
                return self._send(request)
            case ReadChunk():
                return next(self._chunks, b"")
            case Sleep(seconds):
                time.sleep(seconds)
                return None
            case RunBlocking(work):
                return work()
        raise AssertionError(step)

    def _send(self, request: Request) -> ResponseHead:
        self.close()
        answer = self._http.send(build_request(self._http, request, key=self._key), stream=True)
        self._response, self._chunks = answer, answer.iter_bytes()
        return response_head(answer)

    def close(self) -> None:
        """Close the open answer."""
        if self._response:
            self._response.close()


class AsyncTransport:
    """The same, awaiting."""

    def __init__(self, http: httpx.AsyncClient, *, key: str | None) -> None:
        self._http, self._key = http, key

    async def result(self, call: Flow[T]) -> T:
        """What the call returns."""
        talk = FlowRunner(call)
        async for _ in self._run(talk):
            pass
        return talk.result

    def emitted(self, call: Flow[object]) -> AsyncIterator[JsonObject]:
        """What the call tells, as it does."""
        return self._run(FlowRunner(call))

    async def _run(self, talk: FlowRunner[T]) -> AsyncIterator[JsonObject]:
        hand = _AsyncStepExecutor(self._http, self._key)
        try:
            while step := talk.step:
                if isinstance(step, Emit):
                    yield step.item
                    talk.send(None)
                    continue
                try:
                    reply = await hand.execute(step)
                except httpx.TransportError as error:
                    talk.throw(error)
                else:
                    talk.send(reply)
        finally:
            await hand.close()
            talk.close()


class _AsyncStepExecutor:
    """Does the steps of one call, awaiting."""

    def __init__(self, http: httpx.AsyncClient, key: str | None) -> None:
        self._http, self._key = http, key
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def execute(self, step: FlowStep) -> object:
        """The reply to the step. Raises httpx.TransportError."""
        match step:
            case SendRequest(request):
                return await self._send(request)
            case ReadChunk():
                return await anext(self._chunks, b"")
            case Sleep(seconds):
                await asyncio.sleep(seconds)
                return None
            case RunBlocking(work):
                return await asyncio.to_thread(work)
        raise AssertionError(step)

    async def _send(self, request: Request) -> ResponseHead:
        await self.close()
        answer = await self._http.send(build_request(self._http, request, key=self._key), stream=True)
        self._response, self._chunks = answer, answer.aiter_bytes()
        return response_head(answer)

    async def close(self) -> None:
        """Close the open answer."""
        if self._response:
            await self._response.aclose()


def build_request(http: httpx.Client | httpx.AsyncClient, request: Request, *, key: str | None) -> httpx.Request:
    """The request for httpx; only the service is shown the key."""
    known = {"Authorization": f"Bearer {key}"} if key and request.targets_service else {}
    body: Mapping[str, object] = {} if request.body is None else {"json": request.body}
    return http.build_request(
        request.method,
        request.url,
        params=request.params or None,
        headers={**known, **request.headers},
        timeout=request.timeout,
        **body,  # type: ignore[arg-type]
    )


def response_head(answer: httpx.Response) -> ResponseHead:
    """What the call is told of an answer before it reads on."""
    return ResponseHead(answer.status_code, answer.headers, str(answer.url))
