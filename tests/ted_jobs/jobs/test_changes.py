"""What is new about watched jobs, on both databases."""

import pytest
from sqlalchemy import Engine

from ted_jobs.jobs import changes as module
from ted_jobs.jobs.changes import job_changes
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.jobs.test_store import claimed, submitted


def test_each_job_tells_what_its_listeners_have_not_heard(
    store: JobStore, leases: Leases, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    running, quiet, unknown = claimed(store, leases), submitted(store), submitted(store)
    leases.heartbeat(
        running, progress={"round": 2}, new_events=[("job.round", {"round": 1}), ("job.round", {"round": 2})]
    )

    told = job_changes(engine, {running.job.id: 1, quiet: 1, unknown: None, "job_gone": 3}, limit=10)

    assert told.keys() == {running.job.id, quiet, unknown}
    assert [(event.sequence, event.type) for event in told[running.job.id].events] == [
        (2, "job.running"),
        (3, "job.round"),
        (4, "job.round"),
    ]
    assert told[running.job.id].progress == {"round": 2}
    assert (told[running.job.id].status, told[running.job.id].last_event) == (JobStatus.RUNNING, 4)
    assert told[running.job.id].version > told[quiet].version
    assert not told[quiet].events
    assert not told[unknown].events


def test_of_too_much_news_the_newest_is_told(store: JobStore, leases: Leases, engine: Engine) -> None:
    claim = claimed(store, leases)
    leases.heartbeat(claim, new_events=[("job.round", {"round": number}) for number in range(20)])

    told = job_changes(engine, {claim.job.id: 1}, limit=5)[claim.job.id]

    assert [event.sequence for event in told.events] == list(range(18, 23))


def test_nobody_s_news_are_none(engine: Engine) -> None:
    assert job_changes(engine, {}, limit=5) == {}
