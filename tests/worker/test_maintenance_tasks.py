"""The sweeper's tasks with a real broker that hangs, is away and comes back; and how often each task runs."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, update

from ted_cli.local import broker
from ted_jobs.db.engine import now, read_transaction, write_transaction
from ted_jobs.db.tables import jobs, outbox
from ted_jobs.jobs.leases import Claim
from ted_jobs.jobs.store import JobStore
from ted_jobs.queue.celery import QUEUE_NAME, celery_app
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from worker import sweeper
from worker.app import clear_work_folder
from worker.maintenance_tasks import every, maintenance_tasks

Process = subprocess.Popen[bytes]


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Process]]:
    """Start the embedded broker; it ends with the test."""
    started: list[Process] = []

    def run() -> Process:
        started.append(subprocess.Popen(broker.server_command(settings.home), stdout=subprocess.DEVNULL))
        until(lambda: celery_app(settings).connection_for_write().ensure_connection(max_retries=1), seconds=10)
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def wake_ups_in_broker(settings: Settings) -> int:
    """How many wake-ups the broker holds."""
    with celery_app(settings).connection_for_read() as connection:
        return int(connection.default_channel.client.llen(QUEUE_NAME))


def waiting(engine: Engine) -> int:
    with read_transaction(engine) as connection:
        return connection.scalar(select(func.count()).select_from(outbox)) or 0


def submit(claimed: Callable[..., Claim], count: int) -> None:
    """Put so many wake-ups into the outbox: claiming their jobs makes no difference to them."""
    for _ in range(count):
        claimed()


def sweep_seconds(engine: Engine, settings: Settings) -> float:
    """How long one sweep takes."""
    tasks, began = maintenance_tasks(settings), time.monotonic()
    sweeper.sweep(engine, tasks=tasks, holder="leader")
    return time.monotonic() - began


def test_a_broker_that_is_away_hardly_delays_a_sweep(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], start: Callable[[], Process]
) -> None:
    submit(claimed, 20)

    assert sweep_seconds(engine, settings) < 3
    assert waiting(engine) == 20

    start()
    sweep_seconds(engine, settings)
    assert (waiting(engine), wake_ups_in_broker(settings)) == (0, 20)


def test_a_broker_that_hangs_delays_a_sweep_once_and_the_other_tasks_run(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], start: Callable[[], Process], store: JobStore
) -> None:
    submit(claimed, 20)
    silent = claimed().job.id
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == silent).values(lease_expires_at=now(-1)))
    process = start()

    process.send_signal(signal.SIGSTOP)
    took = sweep_seconds(engine, settings)
    process.send_signal(signal.SIGCONT)

    assert took < 8
    assert store.job(silent, tenant="default").status == "queued"
    assert waiting(engine) == 22
    sweep_seconds(engine, settings)
    assert waiting(engine) == 0
    assert wake_ups_in_broker(settings) >= 22


def test_a_periodic_task_runs_at_once_and_then_once_per_period(engine: Engine) -> None:
    times = iter([0.0, 0.0, 1.0, 59.0, 60.0, 60.0, 61.0])
    task = every(60, lambda _: 1, clock=lambda: next(times))  # the clock is read twice by a run

    assert [task(engine) for _ in range(5)] == [1, 0, 0, 1, 0]


def test_jobs_are_kept_for_ever_unless_a_retention_is_set(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim], store: JobStore
) -> None:
    def sweep(days: float | None) -> int:
        sweeper.sweep(
            engine, tasks=maintenance_tasks(settings.model_copy(update={"retention_days": days})), holder="leader"
        )
        return len(store.jobs(tenant="default", limit=10))

    store.cancel(claimed().job.id, tenant="default")
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(status="cancelled", finished_at=now(-10 * 86400)))

    assert [sweep(None), sweep(11), sweep(9)] == [1, 1, 0]


def test_a_sweep_removes_what_a_crashed_attempt_staged_long_ago(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim]
) -> None:
    claim = claimed()
    void = two_days_old(write(settings.artifacts / claim.job.id / str(claim.token - 1) / "manifest.parquet"))
    held = two_days_old(write(settings.artifacts / claim.job.id / str(claim.token) / "manifest.parquet"))
    todo = maintenance_tasks(settings)["remove orphans"]

    assert todo(engine) == 1

    assert (void.exists(), held.exists()) == (False, True)


def test_a_starting_worker_clears_its_work_folder_except_for_running_attempts(
    engine: Engine, settings: Settings, claimed: Callable[..., Claim]
) -> None:
    claim = claimed()
    left = write(settings.work / claim.job.id / str(claim.token - 1) / "runner.log")
    another_workers = write(settings.work / claim.job.id / str(claim.token) / "runner.log")

    clear_work_folder(settings)

    assert (left.parent.exists(), another_workers.exists()) == (False, True)


def test_a_worker_starts_while_the_database_is_away(settings: Settings) -> None:
    left = write(settings.work / f"job_{0:028x}" / "1" / "runner.log")

    clear_work_folder(settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/nowhere"}))

    assert left.exists()


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("left")
    return path


def two_days_old(path: Path) -> Path:
    os.utime(path, (time.time() - 2 * 86400,) * 2)
    return path
