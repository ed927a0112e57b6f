"""How hints leave the outbox, on both databases."""

import pytest
from sqlalchemy import Engine, func, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.tables import outbox as hints
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue import outbox
from tests.ted_jobs.jobs.test_store import submitted


def waiting(engine: Engine) -> int:
    with read_transaction(engine) as connection:
        return connection.scalar(select(func.count()).select_from(hints)) or 0


def test_hints_leave_in_the_order_of_their_jobs(store: JobStore, engine: Engine) -> None:
    rung: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    assert outbox.publish_batch(engine, rung.append) == 5

    assert rung == job_ids
    assert waiting(engine) == 0


def test_the_first_error_of_the_broker_ends_publishing_and_what_left_is_not_sent_again(
    store: JobStore, engine: Engine
) -> None:
    rung: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    def breaks_at_the_third(job_id: str) -> None:
        if len(rung) == 2:
            raise ConnectionError
        rung.append(job_id)

    with pytest.raises(ConnectionError):
        outbox.publish_batch(engine, breaks_at_the_third)

    assert waiting(engine) == 3
    outbox.publish_batch(engine, rung.append)
    assert rung == job_ids


def test_draining_goes_on_until_nothing_waits(store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    rung: list[str] = []
    job_ids = [submitted(store) for _ in range(5)]

    assert outbox.drain(engine, rung.append, seconds=60) == 5

    assert rung == job_ids


def test_draining_stops_after_the_batch_in_which_its_time_is_up(
    store: JobStore, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    for _ in range(5):
        submitted(store)

    assert outbox.drain(engine, lambda _: None, seconds=0) == 2
    assert waiting(engine) == 3


@pytest.mark.parametrize(("hints_before", "seconds"), [(0, 30), (1, 60), (7, 3840), (5000, 3840)])
def test_the_patience_with_a_job_that_nobody_claims_doubles_up_to_an_hour(
    store: JobStore, engine: Engine, hints_before: int, seconds: int
) -> None:
    submitted(store)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(hints=hints_before))

    outbox.publish_batch(engine, lambda _: None)

    with read_transaction(engine) as connection:
        left, present = connection.execute(select(jobs.c.ring_at, now())).one()
    assert (left - present).total_seconds() == pytest.approx(seconds, abs=5)
