"""Two drivers of flows over httpx: one blocks its thread, the other awaits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from ted_client.flow import (
    CONNECT_SECONDS,
    Emit,
    Flow,
    FlowRunner,
    FlowStep,
    ReadChunk,
    Request,
    ResponseHead,
    RunBlocking,
    SendRequest,
    Sleep,
)

T = TypeVar("T")


class Transport:
    """Runs flows over httpx. Safe for several threads, since each flow has its own open response."""

    def __init__(self, http: httpx.Client, *, key: str | None) -> None:
        self._http = http
        self._key = key

    def result(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        runner = FlowRunner(flow)
        for _ in self._run(runner):
            pass
        return runner.result

    def items(self, flow: Flow[object]) -> Iterator[Any]:
        """Iterate over the items that the flow emits, while it runs."""
        return self._run(FlowRunner(flow))

    def _run(self, runner: FlowRunner[T]) -> Iterator[Any]:
        executor = _StepExecutor(self._http, self._key)
        try:
            while step := runner.step:
                if isinstance(step, Emit):
                    yield step.item
                    runner.send(None)
                    continue
                try:
                    reply = executor.execute(step)
                except httpx.TransportError as error:
                    runner.throw(error)
                else:
                    runner.send(reply)
        finally:
            executor.close()
            runner.close()


class _StepExecutor:
    """Executes the steps of one flow."""

    def __init__(self, http: httpx.Client, key: str | None) -> None:
        self._http = http
        self._key = key
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def execute(self, step: FlowStep) -> object:
        """Execute the step and return the reply to it. Raise httpx.TransportError if it fails."""
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
        response = self._http.send(build_request(self._http, request, key=self._key), stream=True)
        self._response, self._chunks = response, response.iter_bytes()
        return response_head(response)

    def close(self) -> None:
        """Close the open response, if there is one."""
        if self._response:
            self._response.close()


class AsyncTransport:
    """Runs flows over httpx without blocking the event loop."""

    def __init__(self, http: httpx.AsyncClient, *, key: str | None) -> None:
        self._http = http
        self._key = key

    async def result(self, flow: Flow[T]) -> T:
        """Run the flow to its end and return its result."""
        runner = FlowRunner(flow)
        async for _ in self._run(runner):
            pass
        return runner.result

    def items(self, flow: Flow[object]) -> AsyncIterator[Any]:
        """Iterate over the items that the flow emits, while it runs."""
        return self._run(FlowRunner(flow))

    async def _run(self, runner: FlowRunner[T]) -> AsyncIterator[Any]:
        executor = _AsyncStepExecutor(self._http, self._key)
        try:
            while step := runner.step:
                if isinstance(step, Emit):
                    yield step.item
                    runner.send(None)
                    continue
                try:
                    reply = await executor.execute(step)
                except httpx.TransportError as error:
                    runner.throw(error)
                else:
                    runner.send(reply)
        finally:
            await executor.close()
            runner.close()


class _AsyncStepExecutor:
    """Executes the steps of one flow, awaiting."""

    def __init__(self, http: httpx.AsyncClient, key: str | None) -> None:
        self._http = http
        self._key = key
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def execute(self, step: FlowStep) -> object:
        """Execute the step and return the reply to it. Raise httpx.TransportError if it fails."""
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
        response = await self._http.send(build_request(self._http, request, key=self._key), stream=True)
        self._response, self._chunks = response, response.aiter_bytes()
        return response_head(response)

    async def close(self) -> None:
        """Close the open response, if there is one."""
        if self._response:
            await self._response.aclose()


def build_request(http: httpx.Client | httpx.AsyncClient, request: Request, *, key: str | None) -> httpx.Request:
    """Build the request for httpx; the key is sent to the service only."""
    authorization = {"Authorization": f"Bearer {key}"} if key and request.targets_service else {}
    body: Mapping[str, object] = {} if request.body is None else {"json": request.body}
    return http.build_request(
        request.method,
        request.url,
        params=request.params or None,
        headers={**authorization, **request.headers},
        timeout=httpx.Timeout(request.read_seconds, connect=CONNECT_SECONDS),
        **body,  # type: ignore[arg-type]
    )


def response_head(response: httpx.Response) -> ResponseHead:
    """Return the part of the response that is known before its body is read."""
    return ResponseHead(response.status_code, response.headers, str(response.url))
