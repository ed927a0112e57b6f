"""What a wake-up starts, as seen in metrics and logs."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, update
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ted_jobs.db import counters
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from worker.tasks import pause_after_failures, run_jobs


def totals(engine: Engine) -> dict[tuple[str, str], float]:
    with read_transaction(engine) as connection:
        return dict(counters.counter_totals(connection))


def queued(claimed: Callable[..., Claim], leases: Leases, **job: object) -> str:
    """The id of a job that waits."""
    return leases.release(claimed(**job)).id


def run(job_id: str, engine: Engine, settings: Settings) -> None:
    run_jobs(job_id, engine=engine, settings=settings, shutting_down=lambda: False)


def test_the_phase_seconds_of_a_succeeded_job_are_counted(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], leases: Leases, store: JobStore
) -> None:
    job_id = queued(claimed, leases)

    run(job_id, engine, settings)

    spent = (store.job(job_id, tenant="default").result or {})["seconds"]
    assert set(spent) == {"loading", "pruning", "writing"}
    for phase, seconds in spent.items():
        assert totals(engine)[counters.PHASE_SECONDS, phase] == seconds
        assert totals(engine)[counters.PHASES, phase] == 1


def test_an_attempt_that_lost_its_lease_is_counted(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], leases: Leases, store: JobStore
) -> None:
    job_id = queued(claimed, leases, epochs=1000)
    worker = threading.Thread(target=run, args=(job_id, engine, settings))
    worker.start()
    until(lambda: store.job(job_id, tenant="default").progress)

    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(lease_token=jobs.c.lease_token + 1))
    worker.join(30)

    assert totals(engine)[counters.FENCED, ""] == 1


def test_every_log_line_of_a_worker_names_its_job(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim]
) -> None:
    taken = claimed().job.id

    with capture_logs(processors=[merge_contextvars]) as lines:
        run(taken, engine, settings)

    assert [(line["event"], line["job"]) for line in lines] == [("wake-up dropped", taken)]


def test_a_worker_runs_queued_jobs_until_none_is_left(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], leases: Leases, store: JobStore
) -> None:
    first, second = (queued(claimed, leases, method="random") for _ in range(2))

    run(first, engine, settings)

    assert [store.job(job_id, tenant="default").status for job_id in (first, second)] == ["succeeded", "succeeded"]


def test_a_worker_that_shuts_down_claims_no_further_job(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], leases: Leases, store: JobStore
) -> None:
    first, second = (queued(claimed, leases, method="random") for _ in range(2))
    shutting_down = iter([False])

    run_jobs(first, engine=engine, settings=settings, shutting_down=lambda: next(shutting_down, True))

    assert {store.job(job_id, tenant="default").status for job_id in (first, second)} == {"queued"}


def test_a_worker_that_keeps_failing_pauses_longer_each_time(
    engine: Engine,
    settings: Settings,
    claimed: Callable[..., Claim],
    leases: Leases,
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (settings.home / "no folder").write_text("")
    broken = settings.model_copy(update={"artifact_root": settings.home / "no folder"})
    pauses: list[int] = []
    monkeypatch.setattr("worker.tasks.pause_after_failures", lambda failures, _: pauses.append(failures))

    run(job_id := queued(claimed, leases, method="random"), engine, broken)

    assert store.job(job_id, tenant="default").status == "failed"
    assert pauses == [1, 2]


def test_pauses_grow_and_end_if_the_worker_shuts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], list[float]()
    monkeypatch.setattr("worker.tasks.time.monotonic", lambda: now[0])
    monkeypatch.setattr("worker.tasks.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    for failures in (0, 1, 3, 50):
        now[0] = 0
        pause_after_failures(failures, lambda: False)
        slept.append(round(now[0]))
    assert slept == [0, 1, 4, 60]

    now[0] = 0
    pause_after_failures(9, lambda: True)
    assert now[0] == 0
