"""A call to the service as a generator that yields the steps to take and is sent their results.

So each call is written once, without sockets or clocks, and any driver can run it: a blocking one, an awaiting one
(``ted_client.transport``), or a test that makes up the responses. httpx calls the same pattern ``auth_flow``.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object as the service sends it; openapi/openapi.json says what is in it."""

T = TypeVar("T")
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0


@dataclass(frozen=True)
class Request:
    """What to send. A URL that is a path goes to the service, with the key; any other is sent without the key."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject | None = None
    read_seconds: float = READ_SECONDS
    idempotent: bool = True
    """Whether sending it twice has the same effect as sending it once."""

    @property
    def targets_service(self) -> bool:
        """Whether it goes to the service itself, so that the key may be sent with it."""
        return self.url.startswith("/")


@dataclass(frozen=True)
class ResponseHead:
    """The status and headers of a response whose body has not been read yet."""

    status: int
    headers: "httpx.Headers"
    url: str


@dataclass(frozen=True)
class Response:
    """A response with its body."""

    head: ResponseHead
    content: bytes

    @property
    def status(self) -> int:
        return self.head.status


@dataclass(frozen=True)
class SendRequest:
    """Send this and reply with the ``ResponseHead``; a response that is still open is closed."""

    request: Request


@dataclass(frozen=True)
class ReadChunk:
    """Reply with the next bytes of the open response; empty at its end."""


@dataclass(frozen=True)
class Sleep:
    """Reply after this time."""

    seconds: float


@dataclass(frozen=True)
class RunBlocking:
    """Reply with what this returns; it may take long, so an asynchronous driver runs it in a thread."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Give this to the caller; the flow resumes when the caller asks for more."""

    item: JsonObject


FlowStep: TypeAlias = SendRequest | ReadChunk | Sleep | RunBlocking | Emit
Flow: TypeAlias = Generator[FlowStep, Any, T]
"""Yields steps, is sent the replies or thrown an ``httpx.TransportError``, and returns a value."""


def api_path(*segments: str) -> str:
    """Join segments to a path below ``/v1``; characters that are special in a URL are escaped."""
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def fetch(request: Request) -> Flow[Response]:
    """Send the request and return the whole response."""
    head: ResponseHead = yield SendRequest(request)
    return (yield from read_response(head))


def read_response(head: ResponseHead) -> Flow[Response]:
    """Read the body of the open response and return both."""
    content = bytearray()
    while chunk := (yield ReadChunk()):
        content += chunk
    return Response(head, bytes(content))


class FlowRunner(Generic[T]):
    """A running flow: its next step, or its result once ``step`` is None. The part that all drivers share."""

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.step: FlowStep | None = self._advance(lambda: next(flow))

    def send(self, reply: object) -> None:
        """Resume the flow with the result of its step."""
        self.step = self._advance(lambda: self._flow.send(reply))

    def throw(self, error: "httpx.TransportError") -> None:
        """Resume the flow with the error of its step; raise it if the flow does not catch it."""
        self.step = self._advance(lambda: self._flow.throw(error))

    def _advance(self, resume: Callable[[], FlowStep]) -> FlowStep | None:
        try:
            return resume()
        except StopIteration as end:
            self.result = end.value
            return None

    def close(self) -> None:
        """Close the flow, so that it releases what it holds."""
        self._flow.close()
