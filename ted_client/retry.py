"""When a request is worth another try, and after what time."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from ted_client.errors import ServiceUnreachable, TedApiError
from ted_client.flow import Flow, Request, Response, Sleep, fetch

FIRST_REDIRECT, NOT_MODIFIED, FIRST_ERROR, TOO_MANY_REQUESTS, UNAVAILABLE = 300, 304, 400, 429, 503
FULL_QUEUE = "too_many_queued"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
MOST_DOUBLINGS = 10
UNPROCESSED_STATUSES = frozenset({TOO_MANY_REQUESTS, UNAVAILABLE})
"""Answers that say that nothing was done."""
RETRYABLE_STATUSES = UNPROCESSED_STATUSES | {502, 504}
"""Answers that say nothing about the next try."""
CONNECTION_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
SCHEMES = ("http", "https")
PERMANENT_ERRORS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class RetryPolicy:
    """How long a service that does not answer, or asks for time, is asked again; for each request anew."""

    seconds: float = 60.0
    """In all; 0: it is asked once."""
    jitter: Callable[[], float] = random.random
    """The part of the longest pause to take, from 0 to 1: many clients shall not come back at once."""
    clock: Callable[[], float] = time.monotonic


DEFAULT_RETRY_POLICY, NO_RETRY = RetryPolicy(), RetryPolicy(seconds=0)


@dataclass
class Backoff:
    """One spell of bad luck: the pauses grow, until the patience has run out."""

    policy: RetryPolicy
    started_at: float = field(init=False)
    tries: int = 0

    def __post_init__(self) -> None:
        self.started_at = self.policy.clock()

    def pause(self, *, at_least: float | None = None) -> float | None:
        """Seconds until the next try (exponential backoff with full jitter); None where the patience ends before."""
        longest = min(FIRST_PAUSE_SECONDS * 2 ** min(self.tries, MOST_DOUBLINGS), LONGEST_PAUSE_SECONDS)
        self.tries += 1
        seconds = max(self.policy.jitter() * longest, at_least or 0.0)
        left = self.policy.seconds - (self.policy.clock() - self.started_at)
        return seconds if seconds < left else None


@dataclass(frozen=True)
class ServiceConnection:
    """Where the service is, and how patiently it is asked."""

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
        """The answer, once it is no problem. Raises TedApiError, and ServiceUnreachable where none comes.

        What can be repeated is, after a broken line as after 429, 502, 503 and 504; anything else only where the
        service has surely done nothing: there was no connection, or it says so (429, 503).
        """
        spell, doubtful = Backoff(self.retry_policy), False
        while True:
            found = yield from _attempt(request)
            if isinstance(found, Response) and (found.status < FIRST_REDIRECT or found.status == NOT_MODIFIED):
                return found
            error, cause = self._error(found), found if isinstance(found, Exception) else None
            pause = spell.pause(at_least=error.retry_after) if _is_retryable(request, found) else None
            if pause is None:
                error.may_have_arrived = doubtful
                raise error from cause
            doubtful = doubtful or not _was_not_processed(found)
            yield Sleep(pause)

    def _error(self, found: Response | httpx.TransportError) -> TedApiError | ServiceUnreachable:
        if isinstance(found, Response):
            return TedApiError.of(found)
        return self.unreachable(found)

    def unreachable(self, error: httpx.TransportError) -> ServiceUnreachable:
        """The same in words that help."""
        return ServiceUnreachable(
            f"{self.url} does not answer ({error or type(error).__name__}). Start it with: ted up"
        )


def _attempt(request: Request) -> Flow[Response | httpx.TransportError]:
    try:
        return (yield from fetch(request))
    except httpx.TransportError as error:
        return error


def _was_not_processed(found: Response | httpx.TransportError) -> bool:
    """Whether the service has surely done nothing."""
    return found.status in UNPROCESSED_STATUSES if isinstance(found, Response) else isinstance(found, CONNECTION_ERRORS)


def _is_retryable(request: Request, found: Response | httpx.TransportError) -> bool:
    """Whether another try is harmless and may end better. A full queue empties too slowly to wait for it unasked."""
    if isinstance(found, Response):
        passes = found.status in RETRYABLE_STATUSES and TedApiError.of(found).code != FULL_QUEUE
    else:
        passes = not isinstance(found, PERMANENT_ERRORS)
    return passes and (request.idempotent or _was_not_processed(found))
