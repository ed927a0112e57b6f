"""A real server with scripted answers, and both clients behind one blocking interface."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import isawaitable
from typing import Any

from ted_client import AsyncClient, AsyncJob, Client

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """What it says."""
        return json.loads(self.body)


@dataclass
class Script:
    """A server, what it will answer in turn (the last for ever), and what it was asked."""

    answers: list[Answer]
    requests: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def says(status: int, body: object = None, **headers: str) -> Answer:
    """An answer with this status and JSON body."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        to.send_response(status)
        for name, value in ({"Content_Length": str(len(content)), "Connection": "close"} | headers).items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(content)

    return answer


def problem(status: int, code: str, **headers: str) -> Answer:
    """A problem of the service's."""
    facts = {"code": code, "status": status, "detail": f"It is {code}.", "errors": [], "instance": "urn:ted:request:r1"}
    return says(status, facts, X_Request_ID="r1", **headers)


def breaks(to: BaseHTTPRequestHandler) -> None:
    """The line breaks before an answer."""


@contextmanager
def serving(*answers: Answer) -> Iterator[Script]:
    """A server that answers so."""
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            script.requests.append(ReceivedRequest(self.command, self.path, dict(self.headers.items()), body))
            self.close_connection = True
            with suppress(OSError):
                script.next()(self)

        do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Blocking:
    """An asynchronous client, or a job of its, that is called like the other one."""

    def __init__(self, inner: AsyncClient | AsyncJob, runner: asyncio.Runner) -> None:
        self._inner, self._runner = inner, runner

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._inner, name)
        return (lambda *given, **named: self._block(member(*given, **named))) if callable(member) else member

    def _block(self, value: Any) -> Any:
        if isawaitable(value):
            value = self._runner.run(_awaited(value))
        if isinstance(value, AsyncGenerator):
            return self._iterate(value)
        return Blocking(value, self._runner) if isinstance(value, AsyncJob) else value

    def _iterate(self, items: AsyncGenerator[Any]) -> Iterator[Any]:
        try:
            while (item := self._runner.run(_next(items))) is not None:
                yield self._block(item)
        finally:
            self._runner.run(_awaited(items.aclose()))


async def _awaited(value: Any) -> Any:
    return await value


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, None)


Make = Callable[..., Any]
"""Makes a client for a URL."""


@contextmanager
def blocking(kind: str) -> Iterator[Make]:
    """Makes clients of this kind, ``Client`` or ``AsyncClient``; they are closed with the block."""
    made: list[Any] = []

    def make(*given: Any, **named: Any) -> Any:
        made.append(KINDS[kind](*given, **named))
        return made[-1] if kind == "Client" else Blocking(made[-1], runner)

    with asyncio.Runner() as runner:
        yield make
        for client in made:
            client.close() if kind == "Client" else runner.run(client.aclose())


KINDS: Mapping[str, Callable[..., Any]] = {"Client": Client, "AsyncClient": AsyncClient}
