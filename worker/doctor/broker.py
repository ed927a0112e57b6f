"""The broker: whether it answers, keeps what it is given, and who listens at its other end."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kombu.connection import Connection
from redis.exceptions import RedisError

from ted_jobs.queue.celery import QUEUE, broker_answers, celery_app
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok, problem, warning

ANSWER_SECONDS = 1.0


def broker(settings: Settings) -> Iterator[Finding]:
    """Whether hints get through. Only a broker that answers is asked more."""
    kind = "external" if settings.broker_url and "+socket" not in settings.broker_url else "embedded"
    if not broker_answers(settings):
        remedy = {
            "embedded": "Start it with `ted up`; logs/broker.log says more.",
            "external": "Start it, or correct TED_BROKER_URL.",
        }
        yield problem("broker", f"{kind}, does not answer: jobs are taken and wait", remedy[kind])
        return
    with Connection(settings.broker) as connection:  # type: ignore[no-untyped-call]
        client = connection.default_channel.client
        yield ok("broker", f"{kind}, answers; {client.llen(QUEUE)} hints lie in it")
        yield from _memory(client)
    yield from _workers(settings)


def _memory(client: Any) -> Iterator[Finding]:
    """Whether it throws hints away when its memory is full. Managed servers do not say; that is no finding."""
    with suppress(RedisError):
        limits = client.config_get("maxmemory*")
        if int(limits["maxmemory"]) and limits["maxmemory-policy"] != "noeviction":
            fact = f"drops keys when its memory is full ({limits['maxmemory-policy']}); dropped hints come late"
            yield warning("broker", fact, "Set maxmemory-policy to noeviction.")


def _workers(settings: Settings) -> Iterator[Finding]:
    """Which workers listen; a busy one answers too."""
    answers = celery_app(settings).control.ping(timeout=ANSWER_SECONDS)
    names = sorted(name for answer in answers for name in answer)
    if names:
        yield ok("workers", f"{len(names)} answer: {', '.join(names)}")
    else:
        yield problem("workers", "none answers: jobs wait", "Start one for each GPU with `ted worker`, or `ted up`.")
