"""What a sweep does, and who may do it."""

import threading
from collections.abc import Callable

import pytest
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine, delete, select, update

from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs, leaders, outbox
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.ted_jobs.conftest import SPEC, SUMMARY
from worker import maintenance_tasks, sweeper


def test_only_the_leader_sweeps_while_jobs_wait(engine: Engine, store: JobStore) -> None:
    store.submit(SPEC, SUMMARY, tenant="default")
    done: list[str] = []
    tasks = {"note": lambda _: done.append("swept")}

    sweeper.sweep(engine, tasks=tasks, holder="first")
    sweeper.sweep(engine, tasks=tasks, holder="second")
    sweeper.sweep(engine, tasks=tasks, holder="first")

    assert done == ["swept", "swept"]


def test_a_leader_that_exits_releases_the_leadership_at_once(engine: Engine, settings: Settings) -> None:
    stop = threading.Event()
    stop.set()
    assert maintenance.acquire_leadership(engine, sweeper.ROLE, holder="waiting", seconds=0)

    sweeper.run_sweeper(settings, stop=stop)

    assert maintenance.acquire_leadership(engine, sweeper.ROLE, holder="next", seconds=5)


def test_only_the_leader_can_release_the_leadership(engine: Engine) -> None:
    maintenance.acquire_leadership(engine, sweeper.ROLE, holder="leader", seconds=60)

    maintenance.release_leadership(engine, sweeper.ROLE, holder="somebody else")

    assert not maintenance.acquire_leadership(engine, sweeper.ROLE, holder="somebody else", seconds=60)


def test_a_leader_from_before_the_clock_was_set_back_is_replaced(engine: Engine) -> None:
    an_hour_ahead = 3600 + sweeper.LEADERSHIP_SECONDS
    maintenance.acquire_leadership(engine, sweeper.ROLE, holder="ended", seconds=an_hour_ahead)

    assert maintenance.acquire_leadership(engine, sweeper.ROLE, holder="next", seconds=sweeper.LEADERSHIP_SECONDS)


def test_a_sweeper_rests_while_no_job_waits_for_it(engine: Engine) -> None:
    moment = 0
    schedule = sweeper.SweepSchedule(rest_seconds=55, clock=lambda: moment)
    swept: list[int] = []

    for moment in range(0, 120, 10):
        schedule.run_if_due(engine, lambda: swept.append(moment))  # noqa: B023 - called at once

    assert swept == [0, 60]


@pytest.mark.parametrize("condition", ["queued", "lapsed", "wake-up"])
def test_a_resting_sweeper_sees_at_once_that_a_job_waits_for_it(
    engine: Engine, claimed: Callable[..., Claim], leases: Leases, condition: str
) -> None:
    claim = claimed()
    if condition == "queued":
        leases.release(claim)
    with write_transaction(engine) as connection:
        if condition != "wake-up":
            connection.execute(delete(outbox))
        if condition == "lapsed":
            connection.execute(update(jobs).values(lease_expires_at=now(-1)))

    assert maintenance.is_work_due(engine)


def test_a_running_job_does_not_wait_for_the_sweeper(engine: Engine, claimed: Callable[..., Claim]) -> None:
    claimed()
    with write_transaction(engine) as connection:
        connection.execute(delete(outbox))

    assert not maintenance.is_work_due(engine)


def test_a_long_sweep_is_followed_by_another_since_it_may_have_left_something(engine: Engine) -> None:
    clock = iter([0.0, 2.0, 2.1, 2.2, 2.3])
    schedule = sweeper.SweepSchedule(rest_seconds=60, clock=lambda: next(clock))
    swept: list[str] = []

    for sweep in ("long", "short", "none"):
        schedule.run_if_due(engine, lambda: swept.append(sweep))  # noqa: B023 - called at once

    assert swept == ["long", "short"]


def test_while_no_job_waits_nothing_is_written_to_lead(engine: Engine) -> None:
    done: list[str] = []
    with read_transaction(engine) as connection:
        before = connection.execute(select(leaders)).all()

    sweeper.sweep(engine, tasks={"note": lambda _: done.append("swept")}, holder="first")

    with read_transaction(engine) as connection:
        assert (done, connection.execute(select(leaders)).all()) == (["swept"], before)


def test_while_another_leads_a_resting_sweeper_does_not_sweep(engine: Engine) -> None:
    maintenance.acquire_leadership(engine, sweeper.ROLE, holder="leader", seconds=sweeper.LEADERSHIP_SECONDS)
    done: list[str] = []

    sweeper.sweep(engine, tasks={"note": lambda _: done.append("swept")}, holder="resting")

    assert done == []


@pytest.mark.parametrize("error", [BrokerError("no broker"), ValueError("a row that cannot be read")])
def test_a_task_that_fails_does_not_keep_the_others_from_running(engine: Engine, error: Exception) -> None:
    done: list[str] = []

    def fail(_: Engine) -> None:
        raise error

    sweeper.sweep(engine, tasks={"fail": fail, "note": lambda _: done.append("swept")}, holder="leader")

    assert done == ["swept"]


def test_a_job_whose_worker_fell_silent_is_queued_again(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    notified: list[str] = []
    monkeypatch.setattr(maintenance_tasks, "notify", lambda _, job_id: notified.append(job_id))
    claim = claimed()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET lease_expires_at = '2000-01-01 00:00:00.000000'")

    sweeper.sweep(engine, tasks=maintenance_tasks.maintenance_tasks(settings), holder="leader")

    assert claim.job.id in notified
