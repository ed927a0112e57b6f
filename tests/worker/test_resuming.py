"""An attempt resumes where the one before it stopped, and the manifest is that of a single attempt."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_core.proxies import ProxySpec, resolve_proxy
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.databases import migrated
from tests.servers.stacks import until
from tests.worker.conftest import claims, settings_of
from tests.worker.test_supervisor import Background, runners
from worker import checkpoints as run_checkpoints
from worker.checkpoints import run_key
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
ROUNDS = 12
JOB = {"epochs": 20 * ROUNDS, "rounds": ROUNDS, "q": 1}
"""Ten epochs a round: long enough to be interrupted on a quick machine."""


@dataclass(frozen=True)
class Interrupted:
    """A job whose first runner was killed after it had left two checkpoints, and the home folder that holds it."""

    home: Path
    job_id: str


@pytest.fixture(scope="module")
def interrupted_once(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Interrupted:
    home = tmp_path_factory.mktemp("home")
    settings = _with_checkpoints(settings_of(home, digits))
    with migrated(settings.database) as engine:
        leases, artifacts = Leases(engine), ArtifactStore(settings.artifacts)
        claim = claims(JobStore(engine, max_attempts=2), leases, settings, digits)(**JOB)
        work = Background(Supervisor(claim, leases=leases, store=artifacts, settings=settings))
        until(lambda: len(CheckpointStore(engine, artifacts).for_job(claim.job.id)) == 2)
        for pid in runners():
            os.kill(pid, signal.SIGKILL)
        work.join(20)
    assert work.left
    assert work.left.status is JobStatus.QUEUED
    return Interrupted(home, claim.job.id)


@pytest.fixture
def settings(settings: Settings, interrupted_once: Interrupted) -> Settings:
    """A checkpoint after every round, in a copy of the interrupted job's home."""
    shutil.copytree(interrupted_once.home, settings.home, dirs_exist_ok=True)
    return _with_checkpoints(settings)


def _with_checkpoints(settings: Settings) -> Settings:
    return settings.model_copy(update={"checkpoint_seconds": 0, "heartbeat_seconds": 0.05})


@pytest.fixture
def checkpoints(engine: Engine, settings: Settings) -> CheckpointStore:
    return CheckpointStore(engine, ArtifactStore(settings.artifacts))


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[[Claim], Supervisor]:
    store = ArtifactStore(settings.artifacts)
    return lambda claim: Supervisor(claim, leases=leases, store=store, settings=settings)


@pytest.fixture
def interrupted(interrupted_once: Interrupted, leases: Leases) -> Claim:
    """A second claim on the interrupted job."""
    second = leases.claim(interrupted_once.job_id, worker="another")
    assert second
    return second


def content(job: Job | None) -> str:
    assert job
    assert job.status is JobStatus.SUCCEEDED, job.error
    return str((job.result or {})["content_sha256"])


def events(store: JobStore, job: Claim, kind: str) -> list[dict[str, object]]:
    job_events = store.events(job.job.id, tenant="default", after=0, limit=100)
    assert [event.sequence for event in job_events] == list(range(1, len(job_events) + 1))
    return [event.data for event in job_events if event.type == f"job.{kind}"]


UNDISTURBED: list[str] = []


@pytest.fixture
def golden(claimed: Claimed, supervised: Callable[[Claim], Supervisor]) -> str:
    """The digest of the same job's content, without an interruption; computed once."""
    if not UNDISTURBED:
        UNDISTURBED.append(content(supervised(claimed(**JOB)).run()))
    return UNDISTURBED[0]


def test_a_resumed_run_is_like_an_uninterrupted_one(
    interrupted: Claim,
    supervised: Callable[[Claim], Supervisor],
    checkpoints: CheckpointStore,
    golden: str,
    store: JobStore,
    settings: Settings,
) -> None:
    kept = settings.artifacts / interrupted.job.id / "checkpoints"
    assert list(kept.iterdir())

    job = supervised(interrupted).run()

    assert content(job) == golden
    (resumed,) = events(store, interrupted, "resumed")
    assert resumed["round"] in range(2, ROUNDS + 1)
    rounds = [facts["round"] for facts in events(store, interrupted, "round")]
    assert rounds[-1] == ROUNDS
    assert len(rounds) < 2 * ROUNDS
    report = (settings.artifacts / store.artifact(interrupted.job.id, "report", tenant="default").key).read_text()
    assert all(f'"round":{number},' in report for number in range(1, ROUNDS + 1))
    assert not checkpoints.for_job(interrupted.job.id)
    assert not kept.exists()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink])
def test_if_the_last_checkpoint_is_damaged_the_one_before_is_used(
    damage: Callable[[Path], object],
    interrupted: Claim,
    supervised: Callable[[Claim], Supervisor],
    checkpoints: CheckpointStore,
    settings: Settings,
    golden: str,
    store: JobStore,
) -> None:
    last, _ = checkpoints.for_job(interrupted.job.id)
    damage(settings.artifacts / last.key)

    assert content(supervised(interrupted).run()) == golden
    assert events(store, interrupted, "resumed")


def test_if_all_checkpoints_are_damaged_the_run_starts_again(
    interrupted: Claim, checkpoints: CheckpointStore, settings: Settings, tmp_path: Path
) -> None:
    for file in checkpoints.for_job(interrupted.job.id):
        flip_a_byte(settings.artifacts / file.key)

    assert not checkpoints.fetch_intact(interrupted.job.id, folder=tmp_path)


def test_a_run_does_not_resume_from_another_jobs_checkpoint(
    interrupted: Claim,
    claimed: Claimed,
    supervised: Callable[[Claim], Supervisor],
    checkpoints: CheckpointStore,
    settings: Settings,
    store: JobStore,
) -> None:
    other = claimed(**JOB | {"seed": 5})
    for file in reversed(checkpoints.for_job(interrupted.job.id)):
        checkpoints.add(other, settings.artifacts / file.key)

    job = supervised(other).run()

    assert job
    assert job.status is JobStatus.SUCCEEDED
    assert not events(store, other, "resumed")


@pytest.mark.parametrize(
    ("device", "alike"), [pytest.param("cpu", False, id="a CPU"), pytest.param("cuda", True, id="a GPU")]
)
def test_the_number_of_threads_is_part_of_the_run_key_on_a_cpu(
    claimed: Claimed, supervised: Callable[[Claim], Supervisor], device: str, alike: bool
) -> None:
    supervisor = supervised(claimed(**JOB))
    assignment = supervisor._assignment()
    others = assignment.model_copy(update={"threads": assignment.threads + 1})

    runs = {
        run_key(each, resolve_proxy(each.spec.proxy), fingerprint="same", device=device)
        for each in (assignment, others)
    }

    assert (len(runs) == 1) is alike


def test_a_state_of_another_format_is_not_resumed(
    claimed: Claimed, supervised: Callable[[Claim], Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = supervised(claimed(**JOB))._assignment()
    proxy = resolve_proxy(assignment.spec.proxy)
    before = run_key(assignment, proxy, fingerprint="same", device="cpu")

    monkeypatch.setattr(run_checkpoints, "STATE_FORMAT", run_checkpoints.STATE_FORMAT + 1)

    assert run_key(assignment, proxy, fingerprint="same", device="cpu") != before


def test_the_content_of_the_pretrained_model_is_part_of_the_run_key(
    claimed: Claimed, supervised: Callable[[Claim], Supervisor], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    assignment = supervised(claimed(**JOB))._assignment()
    spec = ProxySpec(name="frozen-encoder", model=str(model))
    runs = []
    for weights in (b"these", b"those", b"these"):
        (model / "model.safetensors").write_bytes(weights)
        runs.append(run_key(assignment, resolve_proxy(spec), fingerprint="same", device="cpu"))

    assert runs[0] == runs[2] != runs[1]
    assert resolve_proxy(ProxySpec(name="mlp")).model_digest is None
