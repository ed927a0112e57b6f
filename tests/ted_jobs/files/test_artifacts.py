"""Published files are whole, digested, and never overwritten."""

import resource
from pathlib import Path

import pytest

from ted_core.errors import StorageFull
from ted_core.storage.file_digest import sha256_of
from ted_jobs.files.artifacts import ArtifactStore


def test_a_published_file_is_a_whole_copy_with_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "manifest.parquet"
    source.write_bytes(b"rows")

    artifact = ArtifactStore(tmp_path / "store").put_attempt_file(source, job_id="job_1", token=2, kind="manifest")

    path = tmp_path / "store" / artifact.key
    assert path.read_bytes() == b"rows"
    assert (artifact.bytes, artifact.sha256) == (4, sha256_of(source))
    assert [file.name for file in path.parent.iterdir()] == ["manifest.parquet"]


def test_two_attempts_never_share_a_file(tmp_path: Path) -> None:
    source, store = tmp_path / "manifest.parquet", ArtifactStore(tmp_path / "store")
    source.write_bytes(b"first")
    first = store.put_attempt_file(source, job_id="job_1", token=1, kind="manifest")

    source.write_bytes(b"second")
    second = store.put_attempt_file(source, job_id="job_1", token=2, kind="manifest")

    assert store.open(first).read() == b"first"
    assert store.open(second).read() == b"second"


def test_a_store_that_cannot_be_written_is_reported_as_such(tmp_path: Path) -> None:
    source, blocked = tmp_path / "manifest.parquet", tmp_path / "store"
    source.write_bytes(b"rows")
    blocked.write_bytes(b"a file where a folder should be")

    with pytest.raises(StorageFull):
        ArtifactStore(blocked).put_attempt_file(source, job_id="job_1", token=1, kind="manifest")


def test_what_did_not_fit_leaves_its_room_to_others(tmp_path: Path) -> None:
    source, store = tmp_path / "state", ArtifactStore(tmp_path / "store")
    source.write_bytes(bytes(1 << 20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
    try:
        with pytest.raises(StorageFull):
            store.put_file(source, key="job_1/checkpoints/1-state", kind="checkpoint")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list((tmp_path / "store/job_1/checkpoints").iterdir()) == []
