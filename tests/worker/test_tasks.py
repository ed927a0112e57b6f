"""What a wake-up starts, as seen in metrics and logs."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from ted_jobs.db import counters
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import events, jobs
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.ted_jobs.conftest import SUMMARY
from worker.backoff import SubmitterBackoff
from worker.tasks import run_jobs

IDLE_RUNNER = Path(__file__).parents[1] / "faults" / "idle_runner.py"
CRASHES_ON_SEED_13 = f"""
import io, json, runpy, sys
assignment = sys.stdin.readline()
if json.loads(assignment)["spec"]["plan"]["seed"] == 13:
    raise KeyError("label")
sys.stdin = io.StringIO(assignment)
runpy.run_path({str(IDLE_RUNNER)!r})
"""


def totals(engine: Engine) -> dict[tuple[str, str], float]:
    with read_transaction(engine) as connection:
        return dict(counters.counter_totals(connection))


def queued(claimed: Callable[..., Claim], leases: Leases, **job: object) -> str:
    """The id of a job that waits."""
    return leases.release(claimed(**job)).id


def run(job_id: str, engine: Engine, settings: Settings) -> None:
    run_jobs(job_id, engine=engine, settings=settings, shutting_down=lambda: False, backoff=SubmitterBackoff())


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

    run_jobs(
        first,
        engine=engine,
        settings=settings,
        shutting_down=lambda: next(shutting_down, True),
        backoff=SubmitterBackoff(),
    )

    assert {store.job(job_id, tenant="default").status for job_id in (first, second)} == {"queued"}


# --- several tenants --------------------------------------------------------------------------------------------------


@pytest.fixture
def idle_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners train nothing, and those of jobs with the seed 13 crash."""
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", CRASHES_ON_SEED_13))


def submitted(store: JobStore, digits: Path, *, tenant: str, seed: int = 0) -> str:
    spec = JobSpec.model_validate(
        {
            "dataset": {"uri": str(digits), "task": "image-classification"},
            "proxy": {"name": "mlp"},
            "plan": {"keep_ratio": 0.6, "seed": seed},
        }
    )
    return store.submit(spec, SUMMARY, tenant=tenant).job.id


def starts(engine: Engine) -> list[str]:
    """The tenants in the order in which attempts at their jobs began."""
    began = select(jobs.c.tenant).join(events).where(events.c.type == "job.running").order_by(events.c.created_at)
    with read_transaction(engine) as connection:
        return list(connection.scalars(began))


@pytest.mark.usefixtures("idle_runner")
def test_a_tenants_first_job_does_not_wait_for_all_the_jobs_that_another_has_queued(
    engine: Engine, settings: Settings, store: JobStore, digits: Path
) -> None:
    many = [submitted(store, digits, tenant="many") for _ in range(10)]
    submitted(store, digits, tenant="few")

    run(many[0], engine, settings)

    assert starts(engine) == ["many", "few", *["many"] * 9]


@pytest.mark.usefixtures("idle_runner")
def test_a_worker_does_not_pause_for_one_tenants_crashes_while_another_has_a_job(
    engine: Engine, settings: Settings, store: JobStore, digits: Path
) -> None:
    stopping = threading.Event()
    options = {"engine": engine, "settings": settings, "shutting_down": stopping.is_set, "backoff": SubmitterBackoff()}
    options["backoff"].record("crashing", failed=True)
    for _ in range(5):
        options["backoff"].record("crashing", failed=True)
    crashing = [submitted(store, digits, tenant="crashing", seed=13) for _ in range(8)]
    worker = threading.Thread(target=run_jobs, args=crashing[:1], kwargs=options)
    worker.start()

    sound = submitted(store, digits, tenant="sound")
    until(lambda: store.job(sound, tenant="sound").status == "succeeded", seconds=5)
    stopping.set()
    worker.join(10)

    assert starts(engine) == ["sound"]


@pytest.mark.usefixtures("idle_runner")
def test_a_crash_that_repeats_itself_ends_the_job_after_the_second_attempt(
    engine: Engine, settings: Settings, digits: Path
) -> None:
    store = JobStore(engine, max_attempts=5)
    job_id = submitted(store, digits, tenant="default", seed=13)

    run(job_id, engine, settings)

    job = store.job(job_id, tenant="default")
    assert (job.status, job.attempt) == ("failed", 2)
    assert ((job.error or {})["code"], (job.error or {})["retryable"]) == ("runner_crashed", False)
    assert "KeyError" in (job.error or {})["message"]
    assert "ended in the same way" in (job.error or {})["message"]


@pytest.mark.usefixtures("idle_runner")
def test_a_worker_waits_for_a_job_that_it_holds_back(
    engine: Engine, settings: Settings, store: JobStore, digits: Path
) -> None:
    job_id = submitted(store, digits, tenant="default")
    backoff = SubmitterBackoff()
    backoff.record("default", failed=True)
    began = time.monotonic()

    run_jobs(job_id, engine=engine, settings=settings, shutting_down=lambda: False, backoff=backoff)

    assert store.job(job_id, tenant="default").status == "succeeded"
    assert time.monotonic() - began > 1


def test_a_worker_that_cannot_publish_holds_its_jobs_back(
    engine: Engine,
    settings: Settings,
    claimed: Callable[..., Claim],
    leases: Leases,
    store: JobStore,
) -> None:
    (settings.home / "no folder").write_text("")
    broken = settings.model_copy(update={"artifact_root": settings.home / "no folder"})
    backoff = SubmitterBackoff()

    run_jobs(
        job_id := queued(claimed, leases, method="random"),
        engine=engine,
        settings=broken,
        shutting_down=lambda: False,
        backoff=backoff,
    )

    assert store.job(job_id, tenant="default").status == "failed"
    assert backoff.held_back() == ["default"]
