"""Which files are swept, and which never; on both databases."""

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, update

from ted_core.storage.roots import file_store
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.files import garbage
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.garbage import OrphanSweep
from ted_jobs.files.installation import other_markers, own_marker
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import JobError
from ted_jobs.jobs.store import JobStore
from tests.servers.databases import migrated, sqlite_url
from tests.ted_jobs.jobs.test_store import claimed

CRASH = JobError("runner_killed", "killed", retryable=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def write(root: Path, key: str) -> Path:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(key)
    return path


def staged(root: Path, claim: Claim) -> Path:
    return write(root, f"{claim.job.id}/{claim.token}/manifest.parquet")


def checkpoint(root: Path, claim: Claim) -> Path:
    return write(root, f"{claim.job.id}/checkpoints/3.safetensors")


def sweep(
    engine: Engine, root: Path, *, keep: garbage.KeepRule = garbage.keep_in_artifact_store, kept_seconds: float = 0
) -> int:
    files = file_store(root)
    batches = list(garbage.job_folder_batches(files))
    return sum(garbage.remove_orphans(engine, files, names, keep=keep, kept_seconds=kept_seconds) for names in batches)


def succeeded(leases: Leases, root: Path, claim: Claim) -> Path:
    """The published manifest of a job that has succeeded."""
    source = write(root.parent, "manifest.parquet")
    published = ArtifactStore(root).put_attempt_file(source, job_id=claim.job.id, token=claim.token, kind="manifest")
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[published], result={})
    return root / published.key


def test_of_a_job_that_has_succeeded_only_what_is_published_stays(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    lost = claimed(store, leases)
    zombies = staged(root, lost)
    leases.fail(lost, CRASH)
    heir = leases.claim(lost.job.id, worker="heir")
    assert heir
    manifest, partial, left = (
        succeeded(leases, root, heir),
        write(root, f"{heir.job.id}/{heir.token}/report.json.partial"),
        checkpoint(root, heir),
    )

    sweep(engine, root)

    assert manifest.exists()
    assert not any(path.exists() for path in (zombies.parent, partial, left.parent))
    assert sweep(engine, root) == 0


def test_a_running_job_keeps_its_attempt_and_its_checkpoints_but_not_what_an_earlier_attempt_staged(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    first = claimed(store, leases)
    old, kept = staged(root, first), checkpoint(root, first)
    leases.fail(first, CRASH)
    second = leases.claim(first.job.id, worker="w")
    assert second
    new = staged(root, second)

    sweep(engine, root)

    assert (old.exists(), kept.exists(), new.exists()) == (False, True, True)


def test_a_job_that_waits_to_be_repeated_keeps_its_checkpoints_alone(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    claim = claimed(store, leases)
    old, kept = staged(root, claim), checkpoint(root, claim)
    leases.fail(claim, CRASH)

    sweep(engine, root)

    assert (old.exists(), kept.exists()) == (False, True)


def test_an_attempt_that_begins_after_the_look_at_the_database_loses_nothing(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    claim = claimed(store, leases)
    next_attempts = write(root, f"{claim.job.id}/{claim.token + 1}/manifest.parquet")

    sweep(engine, root)

    assert next_attempts.exists()


def test_the_folder_of_a_job_that_was_deleted_goes_as_a_whole(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    claim = claimed(store, leases)
    succeeded(leases, root, claim)
    checkpoint(root, claim)
    with write_transaction(engine) as connection:
        connection.execute(delete(jobs))

    sweep(engine, root)

    assert list(root.iterdir()) == []


def test_young_orphans_are_left_alone(store: JobStore, leases: Leases, engine: Engine, root: Path) -> None:
    claim = claimed(store, leases)
    young, old = staged(root, claim), write(root, f"{claim.job.id}/{claim.token}/decisions.parquet")
    leases.fail(claim, JobError("bad", "bad"))
    os.utime(old, (time.time() - 7200,) * 2)

    assert sweep(engine, root, kept_seconds=3600) == 1

    assert (young.exists(), old.exists()) == (True, False)


def test_what_is_no_job_s_folder_is_never_touched(engine: Engine, root: Path) -> None:
    others = [write(root, key) for key in ("notes/1/a.txt", "job_1/1/a.txt", "README")]

    assert sweep(engine, root) == 0

    assert all(path.exists() for path in others)


def test_a_missing_root_holds_no_orphans(engine: Engine, root: Path) -> None:
    assert sweep(engine, root) == 0


def test_where_two_installations_publish_at_one_root_neither_takes_the_other_s_files_for_orphans(
    store: JobStore, leases: Leases, engine: Engine, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    claim = claimed(store, leases)
    manifest, foreign = succeeded(leases, root, claim), write(root, f"job_{1:028x}/1/manifest.parquet")
    ours, own = OrphanSweep(file_store(root), kept_seconds=-60), own_marker(engine)
    with sqlite_url(tmp_path / "other") as url, migrated(url) as elsewhere:
        theirs = OrphanSweep(file_store(root), kept_seconds=-60)
        (root / own_marker(elsewhere)).touch()

        assert [ours(engine), theirs(elsewhere)] == [0, 0]

        assert other_markers(file_store(root).names(), own=own) == [own_marker(elsewhere)]
    assert (manifest.exists(), foreign.exists(), (root / own).exists()) == (True, True, True)


def test_an_installation_that_publishes_alone_clears_its_root_and_leaves_its_mark(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    manifest, void = succeeded(leases, root, claimed(store, leases)), write(root, f"job_{1:028x}/1/manifest.parquet")

    assert OrphanSweep(file_store(root), kept_seconds=-60)(engine) == 3

    assert (manifest.exists(), void.exists()) == (True, False)
    assert (root / own_marker(engine)).exists()


def test_a_slow_place_is_looked_through_a_second_at_a_time_and_the_next_batch_waits_its_turn(
    engine: Engine, root: Path
) -> None:
    for number in range(4):
        write(root, f"job_{number:028x}/1/manifest.parquet")
    clock = iter(range(100)).__next__  # a second for every look at it
    rounds = OrphanSweep(file_store(root), kept_seconds=-60, clock=lambda: float(clock()))

    removed = [rounds(engine) for _ in range(5)]

    assert sum(removed) == 4 * 3
    assert removed[0] == 2 * 3
    assert removed[-1] == 0


def test_a_work_folder_keeps_nothing_but_the_present_attempts(
    store: JobStore, leases: Leases, engine: Engine, root: Path
) -> None:
    silent, alive = claimed(store, leases), claimed(store, leases)
    left, kept = staged(root, silent), staged(root, alive)
    with write_transaction(engine) as connection:
        connection.execute(update(jobs).where(jobs.c.id == silent.job.id).values(lease_expires_at=now(-1)))
    maintenance.reap_expired_leases(engine)

    sweep(engine, root, keep=garbage.keep_in_work_folder)

    assert (left.exists(), kept.exists()) == (False, True)
