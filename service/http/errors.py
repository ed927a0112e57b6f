"""What HTTP adds to the things that can go wrong."""

from collections.abc import Sequence

from service.schemas.problems import FieldError
from ted_core.errors import TedError


class MalformedRequest(TedError):
    """What was sent is not one unambiguous HTTP request; check the client, and whatever passes its requests on."""


class RequestTimedOut(TedError):
    """The request did not arrive as a whole in time; send it again, without a pause in it."""


class HeadersTooLarge(TedError):
    """The request's line and headers are longer than this service accepts; leave some headers out, or ask for less."""


class MalformedJson(TedError):
    """The body must be one JSON document in UTF-8, without NaN or Infinity and not nested beyond reason."""


class UnsupportedMediaType(TedError):
    """The body must be JSON; send it with Content-Type: application/json."""


class BodyTooLarge(TedError):
    """The request's body is larger than this service accepts; name data by its URI instead of sending it."""


class RangeNotSatisfiable(TedError):
    """The requested range begins after the end of the file; ask for an earlier one, or for the whole file."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes")
        self.size = size


class NoReport(TedError):
    """The job was run by a version of TED that wrote no reports; submit it again to get one."""


class NoSuspects(TedError):
    """The job was run by a version of TED that listed no labels that look wrong; submit it again to get the list."""


class KeyNotAccepted(TedError):
    """The request needs one valid key: send Authorization: Bearer ted_…, with a key that `ted keys create` made and
    that is neither revoked nor expired."""


class ScopeMissing(TedError):
    """The key may not do this; use one with the scope, which `ted keys create --scope` grants."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"The scope {scope} is missing")
        self.scope = scope


class TooManyRequests(TedError):
    """There were too many requests; wait as long as Retry-After says, and poll less often."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__()
        self.wait_seconds = wait_seconds


class TooManyStreams(TedError):
    """The client listens to as many event streams, or waits for as many answers, as it may at a time; end some of them,
    or poll."""


class TooManyConnections(TedError):
    """The service, or this address, has as many connections as it may; try again shortly, over fewer connections."""


class OpenBeyondLoopback(TedError):
    """TED_AUTH=open would let in anyone on the network; set TED_AUTH=keys, or listen on loopback
    (TED_HOST=127.0.0.1)."""


class MetricsNotShown(TedError):
    """The metrics are only for programs on the service's own machine; its operator can set TED_METRICS=open."""


class DatabaseUnavailable(TedError):
    """The job store does not respond; try again shortly, and submit with the same Idempotency-Key as before."""


class InvalidRequest(TedError):
    """Some fields of the request are invalid."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors

    def __str__(self) -> str:
        return self.fact
