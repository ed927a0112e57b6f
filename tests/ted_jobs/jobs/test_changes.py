"""The changes of watched jobs, on both databases."""

import pytest
from sqlalchemy import Engine

from ted_jobs.jobs import changes as changes_module
from ted_jobs.jobs.changes import job_changes
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.jobs.test_store import claimed, submitted


def test_changes_contain_only_the_events_each_watcher_has_not_seen(
    store: JobStore, leases: Leases, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "BATCH", 2)
    running, quiet, unknown = claimed(store, leases), submitted(store), submitted(store)
    leases.heartbeat(
        running, progress={"round": 2}, new_events=[("job.round", {"round": 1}), ("job.round", {"round": 2})]
    )

    changes = job_changes(engine, {running.job.id: 1, quiet: 1, unknown: None, "job_gone": 3}, limit=10)

    assert changes.keys() == {running.job.id, quiet, unknown}
    assert [(event.sequence, event.type) for event in changes[running.job.id].events] == [
        (2, "job.running"),
        (3, "job.round"),
        (4, "job.round"),
    ]
    assert changes[running.job.id].progress == {"round": 2}
    assert (changes[running.job.id].status, changes[running.job.id].last_event) == (JobStatus.RUNNING, 4)
    assert changes[running.job.id].version > changes[quiet].version
    assert not changes[quiet].events
    assert not changes[unknown].events


def test_more_changes_than_the_limit_leave_only_the_newest(store: JobStore, leases: Leases, engine: Engine) -> None:
    claim = claimed(store, leases)
    leases.heartbeat(claim, new_events=[("job.round", {"round": number}) for number in range(20)])

    changes = job_changes(engine, {claim.job.id: 1}, limit=5)[claim.job.id]

    assert [event.sequence for event in changes.events] == list(range(18, 23))


def test_no_watched_jobs_give_no_changes(engine: Engine) -> None:
    assert job_changes(engine, {}, limit=5) == {}
