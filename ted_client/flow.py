"""A call to the service as a generator: it says what to do next and is told what came of it.

So each call is written once, without a socket or a clock, and any driver can carry it out: one that blocks, one that
awaits (``ted_client.transport``), or a test that makes up the answers.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import httpx

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object as the service sends it; openapi/openapi.json says what is in it."""

T = TypeVar("T")
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0


@dataclass(frozen=True)
class Request:
    """What to send. A URL that is a path goes to the service, with the key; any other goes there without it."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject | None = None
    read_seconds: float = READ_SECONDS
    idempotent: bool = True
    """Whether sending it twice does no more than sending it once."""

    @property
    def targets_service(self) -> bool:
        """Whether the key may go with it."""
        return self.url.startswith("/")

    @property
    def timeout(self) -> httpx.Timeout:
        """How long to wait for a connection, and for each part of the answer."""
        return httpx.Timeout(self.read_seconds, connect=CONNECT_SECONDS)


@dataclass(frozen=True)
class ResponseHead:
    """The beginning of an answer."""

    status: int
    headers: httpx.Headers
    url: str


@dataclass(frozen=True)
class Response:
    """A whole answer."""

    head: ResponseHead
    content: bytes

    @property
    def status(self) -> int:
        return self.head.status


@dataclass(frozen=True)
class SendRequest:
    """Send this and reply with the Head; an answer that was open before is closed."""

    request: Request


@dataclass(frozen=True)
class ReadChunk:
    """Reply with the next bytes of the open answer; none at its end."""


@dataclass(frozen=True)
class Sleep:
    """Reply after this time."""

    seconds: float


@dataclass(frozen=True)
class RunBlocking:
    """Reply with what this returns; it may take long and must not hold up others."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hand this to the caller now; the call goes on when the caller wants more."""

    item: JsonObject


FlowStep: TypeAlias = SendRequest | ReadChunk | Sleep | RunBlocking | Emit
Flow: TypeAlias = Generator[FlowStep, Any, T]
"""Yields steps, is sent the replies or thrown an ``httpx.TransportError``, and returns a value."""


def api_path(*segments: str) -> str:
    """The path of these segments below ``/v1``, whatever they hold."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def fetch(request: Request) -> Flow[Response]:
    """The answer with all that it says."""
    head: ResponseHead = yield SendRequest(request)
    return (yield from read_response(head))


def read_response(head: ResponseHead) -> Flow[Response]:
    """The open answer with all that it says."""
    content = bytearray()
    while chunk := (yield ReadChunk()):
        content += chunk
    return Response(head, bytes(content))


class FlowRunner(Generic[T]):
    """A call under way: its next step, or its result. The part that all drivers share."""

    result: T

    def __init__(self, call: Flow[T]) -> None:
        self._flow = call
        self.step: FlowStep | None = self._advance(lambda: next(call))

    def send(self, reply: object) -> None:
        """Go on with what came of the step."""
        self.step = self._advance(lambda: self._flow.send(reply))

    def throw(self, error: httpx.TransportError) -> None:
        """Go on though the step failed, if the call knows how to."""
        self.step = self._advance(lambda: self._flow.throw(error))

    def _advance(self, going_on: Callable[[], FlowStep]) -> FlowStep | None:
        try:
            return going_on()
        except StopIteration as end:
            self.result = end.value
            return None

    def close(self) -> None:
        """Let the call give back what it holds, wherever it is."""
        self._flow.close()
