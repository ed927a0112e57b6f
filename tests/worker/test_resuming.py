"""An attempt resumes where the one before it stopped, and the manifest is that of a single attempt."""

import os
import signal
from collections.abc import Callable, Iterator
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
from tests.servers.stacks import until
from tests.worker.test_supervisor import Background, runners
from worker import checkpoints as run_checkpoints
from worker.checkpoints import run_key
from worker.supervisor import Supervisor

Claimed = Callable[..., Claim]
ROUNDS = 12
JOB = {"epochs": 20 * ROUNDS, "rounds": ROUNDS, "q": 1}
"""Ten epochs a round: long enough to be interrupted on a quick machine."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A checkpoint after every round."""
    return settings.model_copy(update={"checkpoint_seconds": 0, "heartbeat_seconds": 0.05})


@pytest.fixture
def checkpoints(engine: Engine, settings: Settings) -> CheckpointStore:
    return CheckpointStore(engine, ArtifactStore(settings.artifacts))


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[[Claim], Supervisor]:
    store = ArtifactStore(settings.artifacts)
    return lambda claim: Supervisor(claim, leases=leases, store=store, settings=settings)


@pytest.fixture
def interrupted(
    claimed: Claimed, supervised: Callable[[Claim], Supervisor], checkpoints: CheckpointStore, leases: Leases
) -> Iterator[Claim]:
    """A second claim on a job whose first runner was killed after it had left two checkpoints."""
    first = claimed(**JOB)
    work = Background(supervised(first))
    until(lambda: len(checkpoints.for_job(first.job.id)) == 2)
    for pid in runners():
        os.kill(pid, signal.SIGKILL)
    work.join(20)
    assert work.left
    assert work.left.status is JobStatus.QUEUED
    second = leases.claim(first.job.id, worker="another")
    assert second
    yield second


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


def test_a_resumed_run_has_the_content_of_an_uninterrupted_one(
    interrupted: Claim, supervised: Callable[[Claim], Supervisor], golden: str, store: JobStore
) -> None:
    job = supervised(interrupted).run()

    assert content(job) == golden
    (resumed,) = events(store, interrupted, "resumed")
    assert resumed["round"] in range(2, ROUNDS + 1)
    rounds = [facts["round"] for facts in events(store, interrupted, "round")]
    assert rounds[-1] == ROUNDS
    assert len(rounds) < 2 * ROUNDS


def test_the_report_of_a_resumed_run_covers_all_rounds(
    interrupted: Claim, supervised: Callable[[Claim], Supervisor], store: JobStore, settings: Settings
) -> None:
    supervised(interrupted).run()

    report = (settings.artifacts / store.artifact(interrupted.job.id, "report", tenant="default").key).read_text()
    assert all(f'"round":{number},' in report for number in range(1, ROUNDS + 1))


def test_the_checkpoints_of_an_ended_job_are_deleted(
    interrupted: Claim, supervised: Callable[[Claim], Supervisor], checkpoints: CheckpointStore, settings: Settings
) -> None:
    assert list((settings.artifacts / interrupted.job.id / "checkpoints").iterdir())

    supervised(interrupted).run()

    assert not checkpoints.for_job(interrupted.job.id)
    assert not (settings.artifacts / interrupted.job.id / "checkpoints").exists()


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
