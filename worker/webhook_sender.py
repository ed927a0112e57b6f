"""Sends what webhooks are to be told: signed, at least once, many at a time and few of them to any one receiver.

Every sweeper process does this in a thread of its own, beside its sweeps, so that no receiver holds up a job.
"""

import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event, Lock, Thread

import httpcore
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError as DatabaseError
from standardwebhooks import Webhook

from ted_core.retry_after import parse_retry_after
from ted_jobs.errors import TargetRefused
from ted_jobs.settings import WebhookReach
from ted_jobs.webhooks import deliveries
from ted_jobs.webhooks.deliveries import ClaimedDelivery, Outcome
from ted_jobs.webhooks.targets import Resolver, WebhookTarget, allowed_addresses, resolve_host
from worker.pinned_http import WebhookResponse, post_pinned

log = structlog.get_logger()

MOST_IN_FLIGHT, MOST_IN_FLIGHT_PER_WEBHOOK = 16, 3
"""Messages on their way: all together, and to one webhook, so that a slow receiver leaves room for the others."""
ATTEMPT_SECONDS = 15.0
MINUTE, HOUR = 60.0, 3600.0
RETRY_SCHEDULE = (5.0, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Seconds from each attempt to the next, as Standard Webhooks has it; then no more."""
JITTER = 0.2
"""By how much of itself a pause may be longer, so that receivers that come back are not overrun."""
LONGEST_RETRY_AFTER = 24 * HOUR
RETRY_AFTER_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Whose Retry-After is heeded."""
USER_AGENT = "TED-Webhooks/1"

Send = Callable[[ClaimedDelivery], None]


class WebhookSender:
    """Hands messages to threads, as long as there is room."""

    def __init__(self, engine: Engine, send: Send, threads: ThreadPoolExecutor) -> None:
        self.engine, self.send, self.threads = engine, send, threads
        self._in_flight, self._lock = Counter[str](), Lock()

    def dispatch(self) -> int:
        """Begin to send what is due and may be sent now; returns how many messages."""
        begun = 0
        while self._has_room() and (message := deliveries.claim_next(self.engine, but=self._busy_webhooks())):
            self._count(message, 1)
            self.threads.submit(self._send_claimed, message)
            begun += 1
        return begun

    def _send_claimed(self, message: ClaimedDelivery) -> None:
        try:
            self.send(message)
        except DatabaseError as error:  # the claim runs out, and the message is sent again
            log.warning("delivery not recorded", delivery=message.id, error=str(error.orig))
        except Exception:
            log.exception("delivery broke off", delivery=message.id)
        finally:
            self._count(message, -1)

    def _count(self, message: ClaimedDelivery, more: int) -> None:
        with self._lock:
            self._in_flight[message.webhook_id] += more

    def _has_room(self) -> bool:
        with self._lock:
            return self._in_flight.total() < MOST_IN_FLIGHT

    def _busy_webhooks(self) -> list[str]:
        with self._lock:
            return [webhook for webhook, count in self._in_flight.items() if count >= MOST_IN_FLIGHT_PER_WEBHOOK]


@contextmanager
def sender_thread(engine: Engine, *, reach: WebhookReach, pause: float) -> Iterator[None]:
    """Messages are sent while the block runs. Those on their way at its end are waited for, an attempt long at most."""
    stop = Event()
    thread = Thread(target=_send_until_stopped, args=(engine,), kwargs={"reach": reach, "pause": pause, "stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _send_until_stopped(engine: Engine, *, reach: WebhookReach, pause: float, stop: Event) -> None:
    with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="delivery") as threads:
        courier = WebhookSender(engine, lambda message: attempt_delivery(engine, message, reach=reach), threads)
        while not stop.is_set():
            try:
                courier.dispatch()
            except DatabaseError as error:
                log.warning("database does not answer", error=str(error.orig))
            except Exception:
                log.exception("deliveries broke off")
            stop.wait(pause)


def attempt_delivery(
    engine: Engine, message: ClaimedDelivery, *, reach: WebhookReach, resolve: Resolver = resolve_host
) -> None:
    """Send the message once, and write down what came of it."""
    outcome, patience = _send_once(message, reach=reach, resolve=resolve)
    facts = {"delivery": message.id, "webhook": message.webhook_id, "attempt": message.attempt, **vars(outcome)}
    log.info("delivery attempted", **facts)
    if outcome.error is None:
        deliveries.succeed(engine, message, outcome)
    elif outcome.status_code == HTTPStatus.GONE:
        deliveries.disable_gone(engine, message, outcome)
    elif message.attempt > len(RETRY_SCHEDULE):
        deliveries.give_up(engine, message, outcome)
    else:
        deliveries.retry(engine, message, outcome, seconds=max(patience, retry_delay(message.attempt)))


def retry_delay(attempt: int, *, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the attempt that follows this one."""
    return RETRY_SCHEDULE[attempt - 1] * (1 + JITTER * chance())


def _send_once(message: ClaimedDelivery, *, reach: WebhookReach, resolve: Resolver) -> tuple[Outcome, float]:
    """What came of it, and for how many seconds the receiver wants to be left alone."""
    body = message.payload.encode()
    try:
        target = WebhookTarget.parse(message.url)
        where = allowed_addresses(target, reach=reach, resolve=resolve)
        answer = post_pinned(target, where, headers=signed_headers(message), body=body, seconds=ATTEMPT_SECONDS)
    except (TargetRefused, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        return Outcome(error=_error_word_of(error)), 0
    return Outcome(answer.status, _status_error(answer.status)), _retry_after_delay(answer)


def signed_headers(message: ClaimedDelivery) -> dict[str, str]:
    """The headers of Standard Webhooks. The id stays over all attempts; each has its own time and so its signature."""
    signatures = (Webhook(secret).sign(message.id, message.attempted_at, message.payload) for secret in message.secrets)
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message.id,
        "webhook-timestamp": str(int(message.attempted_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _error_word_of(error: Exception) -> str:
    """What a tenant is told of a connection that came to nothing: no more than a word, as it may not be theirs."""
    if isinstance(error, TargetRefused):
        return "address_refused"
    if isinstance(error, httpcore.TimeoutException):
        return "timed_out"
    if isinstance(error, httpcore.ProtocolError):
        return "no_answer"
    causes = (error.__cause__, error.__context__)
    return "tls_failed" if any(isinstance(cause, ssl.SSLError) for cause in causes) else "connection_failed"


def _status_error(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return "redirected" if status < HTTPStatus.BAD_REQUEST else "refused"


def _retry_after_delay(response: WebhookResponse) -> float:
    """Return the seconds that Retry-After asks for, within bounds; 0 if it does not apply or says nothing of use."""
    if response.status not in RETRY_AFTER_STATUSES or response.retry_after is None:
        return 0
    return min(parse_retry_after(response.retry_after, now=datetime.now(UTC)) or 0, LONGEST_RETRY_AFTER)
