"""A proxy in front of a server that speaks HTTP, which spoils some of its responses."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "server", "date"}
Spoil = Callable[[BaseHTTPRequestHandler, httpx.Response], None]
"""Sends something else than the response of the server behind."""


def pass_on(to: BaseHTTPRequestHandler, response: httpx.Response) -> None:
    """Send the response as it is."""
    _send_head(to, response)
    if to.command != "HEAD":
        to.wfile.write(response.content)


def unavailable(to: BaseHTTPRequestHandler, _: httpx.Response) -> None:
    """Send 503 Slow Down."""
    _send_error(to, 503, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")


def failing(to: BaseHTTPRequestHandler, _: httpx.Response) -> None:
    """Send 500 Internal Error."""
    _send_error(to, 500, b"<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>")


def reset(to: BaseHTTPRequestHandler, _: httpx.Response) -> None:
    """Close the connection without a word."""
    to.connection.close()


def truncated(to: BaseHTTPRequestHandler, response: httpx.Response) -> None:
    """Announce the whole body, send half of it and close the connection."""
    _send_head(to, response)
    to.wfile.write(response.content[: len(response.content) // 2])
    to.wfile.flush()
    to.connection.close()


def slow(to: BaseHTTPRequestHandler, response: httpx.Response) -> None:
    """Send the response a few seconds late."""
    time.sleep(SLOW_SECONDS)
    pass_on(to, response)


SLOW_SECONDS = 3.0
SPOILERS = {each.__name__: each for each in (unavailable, failing, reset, truncated, slow)}


def _send_head(to: BaseHTTPRequestHandler, response: httpx.Response) -> None:
    to.send_response(response.status_code)
    for name, value in response.headers.multi_items():
        if name.lower() not in HOP_BY_HOP:
            to.send_header(name, value)
    length = response.headers.get("Content-Length", "0") if to.command == "HEAD" else str(len(response.content))
    to.send_header("Content-Length", length)
    to.end_headers()


def _send_error(to: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    to.send_response(status)
    to.send_header("Content-Type", "application/xml")
    to.send_header("Content-Length", str(len(body)))
    to.end_headers()
    if to.command != "HEAD":
        to.wfile.write(body)


@dataclass
class FaultyProxy:
    """Where it listens, and what it does to which share of the requests."""

    url: str
    spoil: Spoil = pass_on
    every: int = 1
    """Spoil each so-manieth request."""
    spoiled: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def treatment(self) -> Spoil:
        """Return what to do with the next response."""
        if self.spoil is pass_on or next(self._numbers) % self.every:
            return pass_on
        self.spoiled += 1
        return self.spoil


@contextmanager
def proxying(behind: str) -> Iterator[FaultyProxy]:
    """Yield a proxy in front of this URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self._body()
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            response = client.request(self.command, f"{behind}{self.path}", headers=headers, content=body)
            with suppress(OSError):
                proxy.treatment()(self, response)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
            return b"".join(chunks)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = FaultyProxy(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    with httpx.Client(timeout=60, trust_env=False) as client:
        try:
            yield proxy
        finally:
            server.shutdown()
            server.server_close()
            serving.join()
