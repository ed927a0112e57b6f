"""A supervised runner, as a real process: it succeeds, fails with a reason, or is ended, and nothing outlives it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, update

from ted_core.results.manifest import read_manifest, verify
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.maintenance import reap_expired_leases
from ted_jobs.jobs.models import Artifact, Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.jobs.transitions import earlier_errors
from ted_jobs.settings import Settings
from tests.servers.forked_runners import is_runner
from tests.servers.stacks import until
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
Supervised = Callable[..., Supervisor]
LONG = 1000
"""Epochs that no test waits for."""


class Background:
    """A supervisor at work on a thread of its own."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.left: Job | None = None
        self._thread = threading.Thread(target=self._run, args=(supervisor,))
        self._thread.start()

    def _run(self, supervisor: Supervisor) -> None:
        self.left = supervisor.run()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive()


def phase(store: JobStore, claim: Claim) -> str | None:
    progress = store.job(claim.job.id, tenant="default").progress
    return progress["phase"] if progress else None


def runners() -> set[int]:
    """The ids of this test process's children that are runners."""
    return {child.pid for child in psutil.Process().children() if is_runner(child)}


@pytest.fixture
def pruning(store: JobStore, claimed: Claimed, supervised: Supervised) -> tuple[Claim, Background]:
    """A long job, at work."""
    claim = claimed(epochs=LONG)
    work = Background(supervised(claim))
    until(lambda: phase(store, claim) == "pruning")
    return claim, work


def test_a_finished_job_has_a_manifest_that_fits_its_dataset(
    claimed: Claimed, supervised: Supervised, store: JobStore, digits: Path, settings: Settings
) -> None:
    claim = claimed(epochs=3)

    job = supervised(claim).run()

    assert job is not None
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, None)
    artifact = store.artifact(job.id, "manifest", tenant="default")
    manifest = verify(read_manifest(settings.artifacts / artifact.key), digits)
    assert len(manifest.row_indices) == round(0.6 * 1797) == (job.result or {})["rows_kept"]
    assert not list(settings.work.iterdir())


def test_a_job_says_how_well_its_proxy_predicts_rows_that_it_has_not_seen(
    claimed: Claimed, supervised: Supervised, settings: Settings, store: JobStore
) -> None:
    job = supervised(claimed(epochs=6, q=1, class_balance="keep")).run()

    assert job is not None
    told = (job.result or {})["proxy_accuracy"]
    assert (told["chance"], told["has_learned"]) == (0.1, True)
    assert told["out_of_sample"] > 0.5 > told["majority_class"]
    manifest = read_manifest(settings.artifacts / store.artifact(job.id, "manifest", tenant="default").key)
    assert manifest.metadata.proxy_accuracy is not None
    assert manifest.metadata.proxy_accuracy.model_dump() == told
    assert not manifest.metadata.warnings


def test_a_proxy_that_has_learned_nothing_is_an_event_a_warning_and_no_reason(
    claimed: Claimed, supervised: Supervised, settings: Settings, store: JobStore
) -> None:
    claim = claimed(epochs=2, proxy={"learning_rate": 1e-5}, q=1)

    job = supervised(claim).run()

    assert job is not None
    assert "proxy_has_not_learned" in [warning["code"] for warning in (job.result or {})["warnings"]]
    events = store.events(job.id, after=0, limit=100, tenant="default")
    assert "proxy_has_not_learned" in [event.data.get("code") for event in events if event.type == "job.warning"]
    decisions = pq.read_table(settings.artifacts / store.artifact(job.id, "decisions", tenant="default").key)
    reasons = set(decisions["reason"].to_pylist())
    assert "unknown" in reasons
    assert not [reason for reason in reasons if "generalized" in reason]


def test_a_loss_that_has_risen_fails_the_job(claimed: Claimed, supervised: Supervised) -> None:
    job = supervised(claimed(epochs=3, proxy={"learning_rate": 10}, q=1)).run()

    assert job is not None
    told = {name: (job.error or {}).get(name) for name in ("code", "field", "retryable")}
    assert told == {"code": "training_diverged", "field": "proxy.learning_rate", "retryable": False}


def test_every_round_becomes_an_event(claimed: Claimed, supervised: Supervised, store: JobStore) -> None:
    claim = claimed(epochs=4)

    supervised(claim).run()

    events = store.events(claim.job.id, tenant="default", after=0, limit=100)
    rounds = [event.data for event in events if event.type == "job.round"]
    assert [facts["round"] for facts in rounds] == [1, 2, 3]
    assert rounds[-1]["retained"] == round(0.6 * 1797)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def test_the_same_seed_gives_the_same_content_and_another_seed_does_not(
    claimed: Claimed, supervised: Supervised
) -> None:
    contents = []
    for seed in (7, 7, 8):
        job = supervised(claimed(epochs=3, seed=seed)).run()
        contents.append((job.result or {})["content_sha256"] if job else None)

    assert contents[0] == contents[1] != contents[2]


def test_a_cancelled_job_ends_within_five_seconds(pruning: tuple[Claim, Background], store: JobStore) -> None:
    claim, work = pruning

    store.cancel(claim.job.id, tenant="default")
    work.join(5)

    assert store.job(claim.job.id, tenant="default").status is JobStatus.CANCELLED
    assert not runners()


def test_a_killed_runner_is_reported_and_the_next_attempt_succeeds(
    claimed: Claimed, supervised: Supervised, store: JobStore, leases: Leases
) -> None:
    undisturbed = supervised(claimed(epochs=60)).run()
    claim = claimed(epochs=60)
    work = Background(supervised(claim))
    until(lambda: phase(store, claim) == "pruning")

    for pid in runners():
        os.kill(pid, signal.SIGKILL)
    work.join(10)

    assert work.left is not None
    assert work.left.status is JobStatus.QUEUED
    assert "SIGKILL" in (work.left.status_reason or "")
    again = leases.claim(claim.job.id, worker="test")
    assert again is not None
    job = supervised(again).run()
    assert job is not None
    assert undisturbed is not None
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 2)
    assert (job.result or {})["content_sha256"] == (undisturbed.result or {})["content_sha256"]


def test_the_last_attempt_to_be_killed_fails_with_the_reason(
    pruning: tuple[Claim, Background], store: JobStore, leases: Leases, supervised: Supervised
) -> None:
    claim, work = pruning
    for _ in range(store.max_attempts):
        for pid in runners():
            os.kill(pid, signal.SIGKILL)
        work.join(10)
        again = leases.claim(claim.job.id, worker="test")
        if again:
            work = Background(supervised(again))
            until(runners)

    job = store.job(claim.job.id, tenant="default")
    assert job.status is JobStatus.FAILED
    assert (job.error or {})["code"] == "runner_killed"


def test_a_deadline_ends_a_running_job(claimed: Claimed, supervised: Supervised) -> None:
    claim = claimed(epochs=LONG, deadline_seconds=3)

    job = supervised(claim).run()

    assert job is not None
    assert job.status is JobStatus.EXPIRED
    assert not runners()


def test_a_supervisor_that_has_lost_its_lease_stops_its_runner_and_publishes_nothing(
    pruning: tuple[Claim, Background], store: JobStore, leases: Leases
) -> None:
    claim, work = pruning

    leases.release(claim)
    assert leases.claim(claim.job.id, worker="another")
    work.join(10)

    assert work.left is None
    assert store.job(claim.job.id, tenant="default").status is JobStatus.RUNNING
    assert not runners()


def test_a_worker_that_shuts_down_requeues_its_job_without_counting_the_attempt(
    claimed: Claimed, supervised: Supervised, store: JobStore
) -> None:
    stopping = threading.Event()
    claim = claimed(epochs=LONG)
    supervisor = supervised(claim)
    supervisor.shutting_down = stopping.is_set
    work = Background(supervisor)
    until(lambda: phase(store, claim) == "pruning")

    stopping.set()
    work.join(5)

    assert work.left is not None
    assert (work.left.status, work.left.attempt) == (JobStatus.QUEUED, 0)
    assert not runners()


def test_the_error_of_a_crashed_runner_has_the_last_line_of_its_trace(
    claimed: Claimed, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", ("python3", "-c", "raise RuntimeError('no such luck')"))

    job = supervised(claimed()).run()

    assert job is not None
    assert job.status is JobStatus.QUEUED
    assert "no such luck" in (job.status_reason or "")


def test_an_exception_in_the_runner_is_reported_with_its_place(
    claimed: Claimed, supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect = "from worker import runner; runner.run_assignment = lambda *_: {}['label']; runner.main()"
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", defect))

    job = supervised(claimed()).run()

    assert job
    assert "KeyError: 'label' (in runner.main, <string>.<lambda>)" in (job.status_reason or "")


@pytest.mark.parametrize(
    ("dies", "code"),
    [
        pytest.param("os.abort()", "runner_crashed", id="aborts"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "runner_crashed", id="writes where it must not"),
        pytest.param("os.kill(os.getpid(), signal.SIGBUS)", "machine_failed", id="cannot read what it has mapped"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", "runner_killed", id="is killed"),
        pytest.param("os.write(2, b'std::bad_alloc'); os.abort()", "out_of_memory", id="gets no memory"),
    ],
)
def test_the_error_says_how_the_runner_died(
    claimed: Claimed, supervised: Supervised, leases: Leases, monkeypatch: pytest.MonkeyPatch, dies: str, code: str
) -> None:
    progress = 'print(\'{"kind": "progress", "phase": "loading"}\', flush=True)'
    script = f"import os, signal; os.read(0, 1); {progress}; {dies}"
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", script))
    claim = claimed()

    supervised(claim).run()

    again = leases.claim(claim.job.id, worker="w")
    assert again
    with read_transaction(leases.engine) as connection:
        (error,) = earlier_errors(connection, again.job.id)
    assert error["code"] == code
    assert code == "out_of_memory" or "while loading" in error["message"]


def test_a_file_that_kills_two_runners_alike_ends_the_job(
    claimed: Claimed, supervised: Supervised, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", "import os; os.abort()"))
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).values(max_attempts=5))
    claim: Claim | None = claimed()

    left = []
    while claim:
        left.append(supervised(claim).run())
        claim = supervised(claim).leases.claim(claim.job.id, worker="w")

    assert [job.status for job in left if job] == ["queued", "failed"]


def test_a_runner_that_is_slow_to_exit_does_not_lose_the_lease(
    claimed: Claimed, supervised: Supervised, leases: Leases, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingering = "import os, time; os.close(1); time.sleep(4); os._exit(3)"
    monkeypatch.setattr("worker.child.starting.RUNNER_COMMAND", (sys.executable, "-c", lingering))
    leases.lease_seconds = 1.5
    work = Background(supervised(claimed()))

    time.sleep(3)
    reaped = reap_expired_leases(engine)
    work.join(10)

    assert reaped == []
    assert work.left is not None
    assert "status 3" in (work.left.status_reason or "")


# --- data that only the rows give away ------------------------------------------------------------------------------


def png_table(images: list[bytes | None], labels: list[object]) -> pa.Table:
    return pa.table({"image": pa.array(images, pa.binary()), "label": labels})


def spoiled_images(digits: Path) -> pa.Table:
    table = pq.read_table(digits)
    images = [b"no image" if row % 20 == 7 else image for row, image in enumerate(table["image"].to_pylist())]
    return png_table(images, table["label"].to_pylist())


def one_class_each(digits: Path) -> pa.Table:
    table = pq.read_table(digits).slice(0, 100)
    return png_table(table["image"].to_pylist(), list(range(100)))


def one_class(digits: Path) -> pa.Table:
    table = pq.read_table(digits).slice(0, 100)
    return png_table(table["image"].to_pylist(), [1] * 100)


@pytest.mark.parametrize(
    ("spoil", "code", "field", "words"),
    [
        pytest.param(spoiled_images, "undecodable_images", "dataset.input", "7, 27, 47", id="undecodable images"),
        pytest.param(one_class_each, "too_few_rows_kept", "plan.keep_ratio", "100 classes", id="a class per row"),
        pytest.param(one_class, "single_class", "dataset.target", "1 class", id="one class"),
    ],
)
def test_a_defect_in_the_rows_fails_the_job_at_once_and_names_the_field(
    claimed: Claimed,
    supervised: Supervised,
    tmp_path: Path,
    digits: Path,
    spoil: Callable[[Path], pa.Table],
    code: str,
    field: str,
    words: str,
) -> None:
    path = tmp_path / "spoiled.parquet"
    pq.write_table(spoil(digits), path)

    job = supervised(claimed(uri=path)).run()

    assert job is not None
    assert job.status is JobStatus.FAILED
    error = job.error or {}
    assert (error["code"], error["field"], error["retryable"]) == (code, field, False)
    assert words in error["message"]


def test_a_dataset_that_changed_since_submission_is_refused(
    claimed: Claimed, supervised: Supervised, tmp_path: Path, digits: Path
) -> None:
    path = tmp_path / "digits.parquet"
    path.write_bytes(digits.read_bytes())
    claim = claimed(uri=path)
    pq.write_table(pq.read_table(digits).slice(5), path)

    job = supervised(claim).run()

    assert job is not None
    assert (job.status, (job.error or {})["code"]) == (JobStatus.FAILED, "dataset_changed")


def test_an_error_names_a_learning_rate_that_is_too_high(claimed: Claimed, supervised: Supervised) -> None:
    job = supervised(claimed(epochs=20, proxy={"learning_rate": 10.0, "weight_decay": 1.0})).run()

    assert job is not None
    assert (job.status, (job.error or {})["field"]) == (JobStatus.FAILED, "proxy.learning_rate")


def test_the_lease_is_renewed_while_a_slow_store_publishes(
    claimed: Claimed, engine: Engine, settings: Settings, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else may publish while this one's upload takes longer than a lease."""
    keep = ArtifactStore.put_file

    def slowly(self: ArtifactStore, source: Path, *, key: str, kind: str) -> Artifact:
        time.sleep(1.5 if kind == "manifest" else 0)
        return keep(self, source, key=key, kind=kind)

    monkeypatch.setattr(ArtifactStore, "put_file", slowly)
    short = Leases(engine, lease_seconds=1)
    claim = claimed()
    stop, reaped = threading.Event(), list[Job]()

    def sweep() -> None:
        while not stop.wait(0.1):
            reaped.extend(reap_expired_leases(engine))

    sweeping = threading.Thread(target=sweep)
    sweeping.start()

    job = Supervisor(claim, leases=short, store=ArtifactStore(settings.artifacts), settings=settings).run()
    stop.set()
    sweeping.join()

    assert job
    assert (job.status, job.attempt, reaped) == (JobStatus.SUCCEEDED, 1, [])
