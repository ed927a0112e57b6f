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
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Event, Lock, Thread

import httpcore
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError as DatabaseError
from standardwebhooks import Webhook

from ted_jobs.errors import TargetRefused
from ted_jobs.webhooks import deliveries
from ted_jobs.webhooks.deliveries import Message, Outcome
from ted_jobs.webhooks.targets import Reach, Resolve, Target, addresses, resolved
from worker.pinned_http import Answer, post

log = structlog.get_logger()

AT_ONCE, AT_ONCE_EACH = 16, 3
"""Messages on their way: all together, and to one webhook, so that a slow receiver leaves room for the others."""
ATTEMPT_SECONDS = 15.0
MINUTE, HOUR = 60.0, 3600.0
SCHEDULE = (5.0, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Seconds from each attempt to the next, as Standard Webhooks has it; then no more."""
JITTER = 0.2
"""By how much of itself a pause may be longer, so that receivers that come back are not overrun."""
LONGEST_PAUSE = 24 * HOUR
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Whose Retry-After is heeded."""
USER_AGENT = "TED-Webhooks/1"

Send = Callable[[Message], None]


class Courier:
    """Hands messages to threads, as long as there is room."""

    def __init__(self, engine: Engine, send: Send, threads: ThreadPoolExecutor) -> None:
        self.engine, self.send, self.threads = engine, send, threads
        self._on_their_way, self._lock = Counter[str](), Lock()

    def dispatch(self) -> int:
        """Begin to send what is due and may be sent now; returns how many messages."""
        begun = 0
        while self._has_room() and (message := deliveries.claim_next(self.engine, but=self._busy())):
            self._count(message, 1)
            self.threads.submit(self._carry, message)
            begun += 1
        return begun

    def _carry(self, message: Message) -> None:
        try:
            self.send(message)
        except DatabaseError as error:  # the claim runs out, and the message is sent again
            log.warning("delivery not recorded", delivery=message.id, error=str(error.orig))
        except Exception:
            log.exception("delivery broke off", delivery=message.id)
        finally:
            self._count(message, -1)

    def _count(self, message: Message, more: int) -> None:
        with self._lock:
            self._on_their_way[message.webhook_id] += more

    def _has_room(self) -> bool:
        with self._lock:
            return self._on_their_way.total() < AT_ONCE

    def _busy(self) -> list[str]:
        with self._lock:
            return [webhook for webhook, count in self._on_their_way.items() if count >= AT_ONCE_EACH]


@contextmanager
def delivering(engine: Engine, *, reach: Reach, pause: float) -> Iterator[None]:
    """Messages are sent while the block runs. Those on their way at its end are waited for, an attempt long at most."""
    stop = Event()
    thread = Thread(target=_deliver, args=(engine,), kwargs={"reach": reach, "pause": pause, "stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _deliver(engine: Engine, *, reach: Reach, pause: float, stop: Event) -> None:
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delivery") as threads:
        courier = Courier(engine, lambda message: attempt(engine, message, reach=reach), threads)
        while not stop.is_set():
            try:
                courier.dispatch()
            except DatabaseError as error:
                log.warning("database does not answer", error=str(error.orig))
            except Exception:
                log.exception("deliveries broke off")
            stop.wait(pause)


def attempt(engine: Engine, message: Message, *, reach: Reach, resolve: Resolve = resolved) -> None:
    """Send the message once, and write down what came of it."""
    outcome, patience = _sent(message, reach=reach, resolve=resolve)
    facts = {"delivery": message.id, "webhook": message.webhook_id, "attempt": message.attempt, **vars(outcome)}
    log.info("delivery attempted", **facts)
    if outcome.error is None:
        deliveries.succeed(engine, message, outcome)
    elif outcome.status_code == HTTPStatus.GONE:
        deliveries.gone(engine, message, outcome)
    elif message.attempt > len(SCHEDULE):
        deliveries.give_up(engine, message, outcome)
    else:
        deliveries.retry(engine, message, outcome, seconds=max(patience, pause_after(message.attempt)))


def pause_after(attempt: int, *, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the attempt that follows this one."""
    return SCHEDULE[attempt - 1] * (1 + JITTER * chance())


def _sent(message: Message, *, reach: Reach, resolve: Resolve) -> tuple[Outcome, float]:
    """What came of it, and for how many seconds the receiver wants to be left alone."""
    body = message.payload.encode()
    try:
        target = Target.parse(message.url)
        where = addresses(target, reach=reach, resolve=resolve)
        answer = post(target, where, headers=headers(message), body=body, seconds=ATTEMPT_SECONDS)
    except (TargetRefused, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        return Outcome(error=_word(error)), 0
    return Outcome(answer.status, _complaint(answer.status)), _patience(answer)


def headers(message: Message) -> dict[str, str]:
    """The headers of Standard Webhooks. The id stays over all attempts; each has its own time and so its signature."""
    signatures = (Webhook(secret).sign(message.id, message.at, message.payload) for secret in message.secrets)
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message.id,
        "webhook-timestamp": str(int(message.at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _word(error: Exception) -> str:
    """What a tenant is told of a connection that came to nothing: no more than a word, as it may not be theirs."""
    if isinstance(error, TargetRefused):
        return "address_refused"
    if isinstance(error, httpcore.TimeoutException):
        return "timed_out"
    if isinstance(error, httpcore.ProtocolError):
        return "no_answer"
    causes = (error.__cause__, error.__context__)
    return "tls_failed" if any(isinstance(cause, ssl.SSLError) for cause in causes) else "connection_failed"


def _complaint(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return "redirected" if status < HTTPStatus.BAD_REQUEST else "refused"


def _patience(answer: Answer) -> float:
    """Seconds of Retry-After, in either of its forms and within bounds; 0 where nothing of use is said."""
    if answer.status not in BUSY or answer.retry_after is None:
        return 0
    return min(max(_seconds(answer.retry_after), 0), LONGEST_PAUSE)


def _seconds(text: str) -> float:
    try:
        return int(text) if text.isdecimal() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0
