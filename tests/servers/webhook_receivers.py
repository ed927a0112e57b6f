"""Receivers of webhooks, as real servers: ones that respond properly, and ones that do everything wrong."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from ssl import SSLContext

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its ``webhook-id``."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict:
        """Verify the signature and return the payload."""
        return Webhook(secret).verify(self.body, self.headers)

    def is_signed(self, secret: str) -> bool:
        """Say whether the signature is right, however wrong the clock of its sender."""
        sent_at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        signature = Webhook(secret).sign(self.id, sent_at, self.body.decode())
        return signature in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """A server: its URL and the requests that it has received."""

    url: str
    received: list[Received] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ``webhook-id`` of every request, in order."""
        return [request.id for request in self.received]


Responder = Callable[[BaseHTTPRequestHandler], None]
"""Answers a request that has been read; an OSError in it is ignored."""


def status(code: int, **headers: str) -> Responder:
    """Return an answer with this status and an empty body."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(code)
        for name, value in ({"Content_Length": "0"} | headers).items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()

    return answer


def in_turn(*answers: Responder) -> Responder:
    """Give each request the next answer, and the last of them for ever."""
    waiting = chain(answers, repeat(answers[-1]))

    def answer(to: BaseHTTPRequestHandler) -> None:
        next(waiting)(to)

    return answer


def dripping(to: BaseHTTPRequestHandler) -> None:
    """Send a byte of the headers now and then, without an end."""
    to.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        to.wfile.write(b"a")
        time.sleep(0.1)


def endless(to: BaseHTTPRequestHandler) -> None:
    """Send status 200, and then a body without an end."""
    status(200, Content_Length=str(1 << 40))(to)
    while True:
        to.wfile.write(b"a" * (1 << 16))


def interim(to: BaseHTTPRequestHandler) -> None:
    """Send interim responses for ever, and never a final one."""
    while True:
        to.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.05)


def reset(to: BaseHTTPRequestHandler) -> None:
    """Close the connection without a response."""
    to.connection.close()


def nonsense(to: BaseHTTPRequestHandler) -> None:
    """Send something that is not HTTP."""
    to.wfile.write(b"220 mail.example ESMTP\r\n\r\n")
    to.close_connection = True


def after(seconds: float, answer: Responder) -> Responder:
    """Return the answer, delayed."""

    def delayed(to: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        answer(to)

    return delayed


ACCEPTED = status(204)


@contextmanager
def receiving(answer: Responder = ACCEPTED, *, tls: SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """Yield a receiver on loopback that gives this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            with suppress(OSError):
                answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    server = _Server(("127.0.0.1", port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/hook")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Ignore clients that disconnect."""
