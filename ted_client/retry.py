"""When a request is tried again, and after how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from ted_client.errors import RequestFailed, ServiceUnreachable, TedApiError
from ted_client.flow import Flow, Request, Response, Sleep, fetch

FULL_QUEUE = "too_many_queued"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
MOST_DOUBLINGS = 10
UNPROCESSED_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Responses that say that the request was not processed."""
RETRYABLE_STATUSES = UNPROCESSED_STATUSES | {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
"""Responses after which another try may succeed."""
CONNECTION_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
SCHEMES = ("http", "https")
PERMANENT_ERRORS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request is repeated while the service does not answer or asks for time; counted for each request.

    >>> from ted_client import Client
    >>> client = Client("https://ted.example.com", key="ted_…", retry=RetryPolicy(seconds=5))
    >>> client.close()
    """

    seconds: float = 60.0
    """In total; with 0 a request is sent once."""
    jitter: Callable[[], float] = random.random
    """The fraction of the longest pause to wait, from 0 to 1: many clients must not come back all at once."""
    clock: Callable[[], float] = time.monotonic


DEFAULT_RETRY_POLICY, NO_RETRY = RetryPolicy(), RetryPolicy(seconds=0)


@dataclass
class Backoff:
    """The pauses between consecutive failures: they grow until the policy's time has run out."""

    policy: RetryPolicy
    started_at: float = field(init=False)
    tries: int = 0

    def __post_init__(self) -> None:
        self.started_at = self.policy.clock()

    def pause(self, *, at_least: float | None = None) -> float | None:
        """Return the seconds until the next try (exponential backoff with full jitter); None if time runs out first."""
        longest = min(FIRST_PAUSE_SECONDS * 2 ** min(self.tries, MOST_DOUBLINGS), LONGEST_PAUSE_SECONDS)
        self.tries += 1
        seconds = max(self.policy.jitter() * longest, at_least or 0.0)
        remaining = self.policy.seconds - (self.policy.clock() - self.started_at)
        return seconds if seconds < remaining else None


class TryAgain(Exception):
    """Wraps an error that another try may get past; the error itself is raised once there are no more tries."""

    def __init__(self, error: RequestFailed) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class ServiceConnection:
    """Where the service is, and how its requests are retried."""

    url: str
    retry_policy: RetryPolicy

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.url!r} is no URL ({error}).") from error
        if url.scheme not in SCHEMES or not url.host:
            raise ServiceUnreachable(f"{self.url!r} is no service's URL, which begins with http:// or https://.")

    def send(self, request: Request) -> Flow[Response]:
        """Return the response, unless it is an error. Raise TedApiError if it is, ServiceUnreachable if none comes.

        An idempotent request is repeated after a broken connection and after 429, 502, 503 and 504. Any other is
        repeated only if the service has certainly not processed it: there was no connection, or it says so (429, 503).
        """
        backoff, may_have_arrived = Backoff(self.retry_policy), False
        while True:
            outcome = yield from _attempt(request)
            if isinstance(outcome, Response) and _is_success(outcome):
                return outcome
            error = self._error(outcome)
            pause = backoff.pause(at_least=error.retry_after) if _is_retryable(request, outcome) else None
            if pause is None:
                error.may_have_arrived = may_have_arrived
                raise error from outcome if isinstance(outcome, Exception) else None
            may_have_arrived = may_have_arrived or not _was_not_processed(outcome)
            yield Sleep(pause)

    def _error(self, outcome: Response | httpx.TransportError) -> RequestFailed:
        return TedApiError.of(outcome) if isinstance(outcome, Response) else self.unreachable(outcome)

    def unreachable(self, error: Exception) -> ServiceUnreachable:
        """Return the error with the address it concerns and the remedy."""
        return ServiceUnreachable(
            f"{self.url} does not answer ({error or type(error).__name__}). Start it with: ted up"
        )


def _attempt(request: Request) -> Flow[Response | httpx.TransportError]:
    try:
        return (yield from fetch(request))
    except httpx.TransportError as error:
        return error


def _is_success(response: Response) -> bool:
    return response.status < HTTPStatus.MULTIPLE_CHOICES or response.status == HTTPStatus.NOT_MODIFIED


def _was_not_processed(outcome: Response | httpx.TransportError) -> bool:
    """Return whether the service has certainly done nothing."""
    if isinstance(outcome, Response):
        return outcome.status in UNPROCESSED_STATUSES
    return isinstance(outcome, CONNECTION_ERRORS)


def _is_retryable(request: Request, outcome: Response | httpx.TransportError) -> bool:
    """Return whether another try is harmless and may succeed. A full queue empties too slowly to wait for it."""
    if isinstance(outcome, Response):
        is_temporary = outcome.status in RETRYABLE_STATUSES and TedApiError.of(outcome).code != FULL_QUEUE
    else:
        is_temporary = not isinstance(outcome, PERMANENT_ERRORS)
    return is_temporary and (request.idempotent or _was_not_processed(outcome))
