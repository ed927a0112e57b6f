"""Counts grow with what is counted, in its transaction, and outlive it; on both databases."""

import threading

import pytest
from sqlalchemy import Engine, func, select

from ted_jobs.db import counters
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.jobs import retention
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import JobError
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.metrics_snapshot import metrics_snapshot
from tests.ted_jobs.jobs.test_retention import ended
from tests.ted_jobs.jobs.test_store import claimed


def totals(engine: Engine) -> dict[tuple[str, str], float]:
    """What has been counted in all; not how many jobs there are now."""
    with read_transaction(engine) as connection:
        found = counters.counter_totals(connection)
    return {(counter, kind): total for (counter, kind), total in found.items() if counter != counters.JOBS}


def test_submissions_and_status_changes_are_counted(store: JobStore, leases: Leases, engine: Engine) -> None:
    leases.fail(claimed(store, leases), JobError("bad", "bad"))

    assert totals(engine) == {("submitted", ""): 1, ("moves", "running"): 1, ("moves", "failed"): 1}


def test_a_transaction_that_is_rolled_back_is_not_counted(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), write_transaction(engine) as connection:
        counters.increment_counter(connection, counters.FENCED)
        raise ZeroDivisionError

    assert totals(engine) == {}


def test_counters_outlive_the_jobs_they_count(store: JobStore, engine: Engine) -> None:
    ended(store, engine, days_ago=2)
    before = totals(engine)

    retention.delete_old_jobs(engine, days=1)

    assert metrics_snapshot(engine).jobs[JobStatus.CANCELLED] == 0
    assert totals(engine) == before


def test_compacting_changes_no_total_while_others_count(engine: Engine) -> None:
    def count() -> None:
        for _ in range(20):
            with write_transaction(engine) as connection:
                counters.increment_counter(connection, "things", "red", amount=0.5)

    counting = [threading.Thread(target=count) for _ in range(4)]
    [thread.start() for thread in counting]
    while any(thread.is_alive() for thread in counting):
        counters.compact_counters(engine)
    counters.compact_counters(engine)

    assert totals(engine) == {("things", "red"): 40}
    with read_transaction(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(counters.tallies)) == 1
