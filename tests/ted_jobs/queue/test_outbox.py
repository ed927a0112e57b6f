"""How wake-ups leave the outbox, on both databases."""

import pytest
from sqlalchemy import Engine, func, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.tables import outbox as wake_ups
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue import outbox
from tests.ted_jobs.jobs.test_store import submitted


def waiting(engine: Engine) -> int:
    with read_transaction(engine) as connection:
        return connection.scalar(select(func.count()).select_from(wake_ups)) or 0


def test_wake_ups_are_published_in_the_order_of_their_jobs(store: JobStore, engine: Engine) -> None:
    notified: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    assert outbox.publish_batch(engine, notified.append) == 5

    assert notified == job_ids
    assert waiting(engine) == 0


def test_the_brokers_first_error_ends_a_batch_and_what_was_published_is_not_sent_again(
    store: JobStore, engine: Engine
) -> None:
    notified: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    def breaks_at_the_third(job_id: str) -> None:
        if len(notified) == 2:
            raise ConnectionError
        notified.append(job_id)

    with pytest.raises(ConnectionError):
        outbox.publish_batch(engine, breaks_at_the_third)

    assert waiting(engine) == 3
    outbox.publish_batch(engine, notified.append)
    assert notified == job_ids


def test_draining_continues_until_no_wake_up_is_left(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    notified: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    assert outbox.drain(engine, notified.append, seconds=60) == 5

    assert notified == job_ids


def test_draining_stops_after_the_batch_in_which_its_time_is_up(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    for _ in range(5):
        submitted(store)

    assert outbox.drain(engine, lambda _: None, seconds=0) == 2
    assert waiting(engine) == 3


@pytest.mark.parametrize(("sent_before", "seconds"), [(0, 30), (1, 60), (7, 3840), (5000, 3840)])
def test_the_backoff_of_an_unclaimed_job_doubles_up_to_an_hour(
    store: JobStore, engine: Engine, sent_before: int, seconds: int
) -> None:
    submitted(store)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(hints=sent_before))

    outbox.publish_batch(engine, lambda _: None)

    with read_transaction(engine) as connection:
        ring_at, present = connection.execute(select(jobs.c.ring_at, now())).one()
    assert (ring_at - present).total_seconds() == pytest.approx(seconds, abs=5)
