"""Which checkpoints count: those of workers that hold the job, the last two, and only what is still whole."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from ted_jobs.errors import LeaseLost
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.store import JobStore
from tests.ted_jobs.jobs.test_leases import let_lease_expire
from tests.ted_jobs.jobs.test_store import claimed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def checkpoints(engine: Engine, root: Path) -> CheckpointStore:
    return CheckpointStore(engine, ArtifactStore(root))


@pytest.fixture
def claim(store: JobStore, leases: Leases) -> Claim:
    return claimed(store, leases)


def written(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(f"state {name}")
    return path


def names(checkpoints: CheckpointStore, claim: Claim) -> list[str]:
    return [Path(file.key).name for file in checkpoints.for_job(claim.job.id)]


def test_the_last_two_are_kept_and_older_files_removed(
    checkpoints: CheckpointStore, claim: Claim, root: Path, tmp_path: Path
) -> None:
    for name in "abcd":
        checkpoints.add(claim, written(tmp_path, name))

    assert names(checkpoints, claim) == ["1-d", "1-c"]
    assert {path.name for path in (root / claim.job.id / "checkpoints").iterdir()} == {"1-c", "1-d"}


def test_a_worker_that_lost_its_lease_leaves_none_that_counts(
    checkpoints: CheckpointStore, claim: Claim, leases: Leases, engine: Engine, tmp_path: Path
) -> None:
    checkpoints.add(claim, written(tmp_path, "early"))
    let_lease_expire(engine)
    maintenance.reap_expired_leases(engine)
    second = leases.claim(claim.job.id, worker="second")
    assert second

    with pytest.raises(LeaseLost):
        checkpoints.add(claim, written(tmp_path, "late"))

    assert names(checkpoints, second) == ["1-early"]
    checkpoints.add(second, written(tmp_path, "next"))
    assert names(checkpoints, second) == ["2-next", "1-early"]


def test_only_whole_ones_are_handed_out_the_newest_first(
    checkpoints: CheckpointStore, claim: Claim, root: Path, tmp_path: Path
) -> None:
    for name in "ab":
        checkpoints.add(claim, written(tmp_path, name))
    (tmp_path / "all").mkdir()
    (tmp_path / "rest").mkdir()

    everything = checkpoints.fetch_intact(claim.job.id, folder=tmp_path / "all")
    (root / checkpoints.for_job(claim.job.id)[0].key).write_text("state x")
    rest = checkpoints.fetch_intact(claim.job.id, folder=tmp_path / "rest")

    assert [path.read_text() for path in everything] == ["state b", "state a"]
    assert [path.read_text() for path in rest] == ["state a"]


def test_one_that_cannot_be_read_is_passed_over(
    checkpoints: CheckpointStore, claim: Claim, root: Path, tmp_path: Path
) -> None:
    for name in "ab":
        checkpoints.add(claim, written(tmp_path, name))
    (tmp_path / "copies").mkdir()
    last = root / checkpoints.for_job(claim.job.id)[0].key
    last.unlink()
    last.mkdir()

    rest = checkpoints.fetch_intact(claim.job.id, folder=tmp_path / "copies")

    assert [path.read_text() for path in rest] == ["state a"]
    assert list((tmp_path / "copies").iterdir()) == rest


def test_forgetting_removes_rows_and_files(
    checkpoints: CheckpointStore, claim: Claim, root: Path, tmp_path: Path
) -> None:
    checkpoints.add(claim, written(tmp_path, "a"))

    checkpoints.delete_for_job(claim.job.id)
    checkpoints.delete_for_job(claim.job.id)

    assert not checkpoints.for_job(claim.job.id)
    assert not (root / claim.job.id / "checkpoints").exists()
