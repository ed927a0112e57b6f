"""Sends webhook deliveries: signed, at least once, many at a time, but only a few at a time for any one tenant.

Every sweeper process does this in a separate thread, so that no receiver holds up a job.
"""

import random
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event, Thread

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
from worker.webhooks.pinned_http import WebhookResponse, post_pinned
from worker.webhooks.slots import MOST_IN_FLIGHT, DeliverySlots

log = structlog.get_logger()

ATTEMPT_SECONDS = 15.0
MINUTE = 60.0
HOUR = 3600.0
RETRY_SCHEDULE = (5.0, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Seconds from each attempt to the next, as Standard Webhooks recommends; then the delivery is given up."""
JITTER = 0.2
"""The share by which a pause may be longer, so that a receiver that comes back is not flooded."""
LONGEST_RETRY_AFTER = 24 * HOUR
RETRY_AFTER_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""The statuses whose Retry-After is honoured."""
USER_AGENT = "TED-Webhooks/1"

Send = Callable[[ClaimedDelivery], None]


class WebhookSender:
    """Hands deliveries to threads, within the limits of how many may be in flight."""

    def __init__(self, engine: Engine, send: Send, threads: ThreadPoolExecutor, *, prompt_seconds: float = 2.0) -> None:
        """``prompt_seconds``: how long an attempt may take for its receiver to count as prompt."""
        self.engine = engine
        self.send = send
        self.threads = threads
        self.slots = DeliverySlots(prompt_seconds=prompt_seconds)

    def dispatch(self) -> int:
        """Start sending the deliveries that are due; return how many."""
        started = 0
        while delivery := deliveries.claim_next(self.engine, choose=self.slots.choose):
            self.slots.occupy(delivery)
            self.threads.submit(self._send_claimed, delivery)
            started += 1
        return started

    def _send_claimed(self, delivery: ClaimedDelivery) -> None:
        began = time.monotonic()
        try:
            self.send(delivery)
        except DatabaseError as error:  # the claim runs out, and the delivery is sent again
            log.warning("delivery not recorded", delivery=delivery.id, error=str(error.orig))
        except Exception:
            log.exception("delivery crashed", delivery=delivery.id)
        finally:
            self.slots.release(delivery, seconds=time.monotonic() - began)


@contextmanager
def sender_thread(engine: Engine, *, reach: WebhookReach, pause: float) -> Iterator[None]:
    """Send deliveries while the block runs. At its end, wait for those in flight: for one attempt at most."""
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
        sender = WebhookSender(engine, lambda delivery: attempt_delivery(engine, delivery, reach=reach), threads)
        while not stop.is_set():
            try:
                sender.dispatch()
            except DatabaseError as error:
                log.warning("database does not answer", error=str(error.orig))
            except Exception:
                log.exception("sending deliveries crashed")
            stop.wait(pause)


def attempt_delivery(
    engine: Engine, delivery: ClaimedDelivery, *, reach: WebhookReach, resolve: Resolver = resolve_host
) -> None:
    """Send the delivery once, and record the outcome."""
    outcome, retry_after = _send_once(delivery, reach=reach, resolve=resolve)
    facts = {"delivery": delivery.id, "webhook": delivery.webhook_id, "attempt": delivery.attempt, **vars(outcome)}
    log.info("delivery attempted", **facts)
    if outcome.error is None:
        deliveries.succeed(engine, delivery, outcome)
    elif outcome.status_code == HTTPStatus.GONE:
        deliveries.disable_gone(engine, delivery, outcome)
    elif delivery.attempt > len(RETRY_SCHEDULE):
        deliveries.give_up(engine, delivery, outcome)
    else:
        deliveries.retry(engine, delivery, outcome, seconds=max(retry_after, retry_delay(delivery.attempt)))


def retry_delay(attempt: int, *, jitter: Callable[[], float] = random.random) -> float:
    """Return the seconds until the attempt that follows this one. ``jitter`` returns a number from 0 to 1."""
    return RETRY_SCHEDULE[attempt - 1] * (1 + JITTER * jitter())


def _send_once(delivery: ClaimedDelivery, *, reach: WebhookReach, resolve: Resolver) -> tuple[Outcome, float]:
    """The outcome, and the seconds for which the receiver asks not to be called again."""
    body = delivery.payload.encode()
    deadline = time.monotonic() + ATTEMPT_SECONDS
    try:
        target = WebhookTarget.parse(delivery.url)
        addresses = allowed_addresses(target, reach=reach, resolve=resolve)
        left = deadline - time.monotonic()
        response = post_pinned(target, addresses, headers=signed_headers(delivery), body=body, seconds=left)
    except (TargetRefused, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        return Outcome(error=_error_word_of(error)), 0
    return Outcome(response.status, _status_error(response.status)), _retry_after_delay(response)


def signed_headers(delivery: ClaimedDelivery) -> dict[str, str]:
    """Return the headers of Standard Webhooks. All attempts share the id; each has its own time and signature."""
    signatures = (
        Webhook(secret).sign(delivery.id, delivery.attempted_at, delivery.payload) for secret in delivery.secrets
    )
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": delivery.id,
        "webhook-timestamp": str(int(delivery.attempted_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _error_word_of(error: Exception) -> str:
    """One word for a failed connection. The tenant learns no more, since what it reached may not be its own."""
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
