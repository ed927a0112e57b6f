"""A stored job's wake-up is published at once, on a thread that no request waits for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, get_ident

import pytest
from fastapi.testclient import TestClient

from service import wake_ups as module
from service.wake_ups import Publish, WakeUps
from tests.servers.stacks import until
from tests.service.conftest import Json


@contextmanager
def publishing(publish: Publish) -> Iterator[WakeUps]:
    wake_ups = WakeUps(lambda: publish)
    yield wake_ups
    wake_ups.close()


def test_nobody_waits_for_a_broker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, began = Event(), time.monotonic()
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)

    with publishing(answers.wait) as wake_ups:
        for _ in range(100):
            wake_ups.publish_soon()

    assert time.monotonic() - began < 5
    answers.set()


def test_what_is_asked_for_during_a_publication_is_published_after_it() -> None:
    outbox, published, first = [1], [], Event()

    def publish() -> None:
        published.extend(outbox)
        outbox.clear()
        first.wait(10)

    with publishing(publish) as wake_ups:
        wake_ups.publish_soon()
        until(lambda: published)
        outbox.append(2)
        wake_ups.publish_soon()
        first.set()

        until(lambda: published == [1, 2])


def test_an_error_is_left_to_the_sweeper_and_the_next_job_tried_again() -> None:
    attempts = []

    def publish() -> None:
        attempts.append(get_ident())
        raise ConnectionError("the broker is away")

    with publishing(publish) as wake_ups:
        for count in (1, 2):
            wake_ups.publish_soon()
            until(lambda count=count: len(attempts) == count)

    assert get_ident() not in attempts


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose wake-ups the broker has got."""
    woken: list[str] = []
    monkeypatch.setattr("ted_jobs.queue.celery.notify", lambda _, job_id: woken.append(job_id))
    return woken


def test_the_api_itself_wakes_a_worker_up(
    woken: list[str], client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()

    until(lambda: woken == [job["id"]], seconds=10)
    until(lambda: rows()["outbox"] == 0, seconds=10)
