"""Checks the broker: whether it answers, whether it may drop wake-ups, and which workers listen to it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from kombu.connection import Connection
from redis.exceptions import RedisError

from ted_jobs.queue.celery import QUEUE_NAME, celery_app, is_broker_reachable
from ted_jobs.settings import Settings
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding

ANSWER_SECONDS = 1.0


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Yield whether the broker answers and, if it does, what it says about memory and workers."""
    kind = "external" if settings.broker_url and "+socket" not in settings.broker_url else "embedded"
    if not is_broker_reachable(settings):
        remedy = {
            "embedded": "Start it with `ted up`; logs/broker.log says more.",
            "external": "Start it, or correct TED_BROKER_URL.",
        }
        yield problem_finding("broker", f"{kind}, does not answer: jobs are taken and wait", remedy[kind])
        return
    with Connection(settings.broker) as connection:  # type: ignore[no-untyped-call]
        client = connection.default_channel.client
        yield ok_finding("broker", f"{kind}, answers; {client.llen(QUEUE_NAME)} wake-ups wait in it")
        yield from _check_eviction(client)
    yield from _check_workers(settings)


def _check_eviction(client: Any) -> Iterator[Finding]:
    """Whether it drops wake-ups when its memory is full. Managed servers do not say; that is not a finding."""
    with suppress(RedisError):
        limits = client.config_get("maxmemory*")
        if int(limits["maxmemory"]) and limits["maxmemory-policy"] != "noeviction":
            fact = f"drops keys when its memory is full ({limits['maxmemory-policy']}); dropped wake-ups come late"
            yield warning_finding("broker", fact, "Set maxmemory-policy to noeviction.")


def _check_workers(settings: Settings) -> Iterator[Finding]:
    """Which workers listen; busy ones answer as well."""
    responses = celery_app(settings).control.ping(timeout=ANSWER_SECONDS)
    names = sorted(name for response in responses for name in response)
    if names:
        yield ok_finding("workers", f"{len(names)} answer: {', '.join(names)}")
    else:
        yield problem_finding(
            "workers", "none answers: jobs wait", "Start one for each GPU with `ted worker`, or `ted up`."
        )
