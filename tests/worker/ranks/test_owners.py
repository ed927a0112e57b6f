"""A job whose dataset is divided among ranks: the same manifest each time, also when a rank was killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ted_core.results.manifest import MANIFEST_SCHEMA, read_metadata
from ted_core.results.report import Report
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.worker.ranks.conftest import SHARDS
from tests.worker.ranks.test_ranks import ranks
from tests.worker.test_supervisor import Background
from worker.supervisor import Supervisor


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Two ranks of one thread each, and a checkpoint after every round."""
    return settings.model_copy(update={"ranks": 2, "checkpoint_seconds": 0, "heartbeat_seconds": 0.05})


@pytest.fixture
def supervised(leases: Leases, settings: Settings) -> Callable[..., Supervisor]:
    store = ArtifactStore(settings.artifacts)

    def make(claim: Claim, **other: object) -> Supervisor:
        return Supervisor(claim, leases=leases, store=store, settings=settings.model_copy(update=other))

    return make


def result(job: Job | None) -> dict[str, Any]:
    assert job
    assert job.result, job.error
    return dict(job.result)


@pytest.fixture
def published(store: JobStore, settings: Settings) -> Callable[[Job | None, str], Path]:
    """The path of a file that a job has published."""

    def path(job: Job | None, kind: str) -> Path:
        assert job
        return settings.artifacts / store.artifact(job.id, kind, tenant="default").key

    return path


@pytest.mark.parametrize(("kind", "count", "owned"), [("shards", 2, [900, 897]), ("archives", 4, [300, 600, 300, 597])])
def test_the_manifest_says_who_owned_what(
    kind: str,
    count: int,
    owned: list[int],
    request: pytest.FixtureRequest,
    claimed: Callable[..., Claim],
    supervised: Callable[..., Supervisor],
    published: Callable[[Job | None, str], Path],
) -> None:
    options = {"uri": request.getfixturevalue(kind), "epochs": 5, "sampling": "sharded"}

    job = supervised(claimed(**options), ranks=count, runner_threads=count).run()

    facts = result(job)
    assert (facts["rows_kept"], facts["device"]) == (1078, f"cpu, 1 thread, {count} ranks")
    assert facts["proxy_accuracy"]["out_of_sample"] > 0.8
    metadata = read_metadata(published(job, "manifest"), MANIFEST_SCHEMA)
    assert [owner.rows for owner in metadata.owners] == owned
    assert sum(owner.shards for owner in metadata.owners) == len(metadata.dataset.shards) == SHARDS
    assert (metadata.plan["sampling"], metadata.determinism) == ("sharded", f"bit-exact with {count} ranks")
    report = Report.model_validate_json(published(job, "report").read_bytes())
    assert report.owners == metadata.owners
    assert all(example.sample and example.sample.image for example in report.examples.kept)


def test_a_killed_owner_ends_the_others_and_the_next_attempt_ends_as_if_nothing_had_happened(
    shards: Path,
    claimed: Callable[..., Claim],
    supervised: Callable[..., Supervisor],
    leases: Leases,
    store: JobStore,
    engine: Engine,
    settings: Settings,
) -> None:
    options = {"uri": shards, "epochs": 60, "rounds": 12, "q": 1, "sampling": "sharded"}
    undisturbed = result(supervised(claimed(**options)).run())
    claim = claimed(**options)
    work = Background(supervised(claim))
    stored = CheckpointStore(engine, ArtifactStore(settings.artifacts))
    until(lambda: len(stored.for_job(claim.job.id)) >= 1, seconds=60)

    ranks()[1].kill()
    work.join(30)
    again = leases.claim(claim.job.id, worker="another")
    assert again
    resumed = supervised(again).run()

    assert work.left
    assert work.left.status is JobStatus.QUEUED
    assert "job.resumed" in [event.type for event in store.events(claim.job.id, after=0, limit=100, tenant="default")]
    assert result(resumed)["content_sha256"] == undisturbed["content_sha256"]


@pytest.mark.parametrize(
    ("options", "ranks", "code"),
    [({"sampling": "sharded"}, 1, "ranks_missing"), ({"sampling": "sharded"}, 8, "too_few_shards")],
)
def test_a_worker_whose_ranks_cannot_divide_the_dataset_says_so(
    options: dict[str, Any],
    ranks: int,
    code: str,
    shards: Path,
    claimed: Callable[..., Claim],
    supervised: Callable[..., Supervisor],
) -> None:
    job = supervised(claimed(uri=shards, **options), ranks=ranks, runner_threads=ranks).run()

    assert job
    assert job.status is JobStatus.FAILED
    assert job.error
    assert (job.error["code"], job.error["field"]) == (code, "plan.sampling")
