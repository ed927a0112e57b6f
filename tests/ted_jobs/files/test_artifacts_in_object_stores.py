"""Artifacts and checkpoints in an object store behave as those in a folder do."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from ted_core.errors import StoreUnavailable
from ted_core.storage.object_store import ObjectUri
from ted_jobs.errors import ArtifactLost, ArtifactsRefused
from ted_jobs.files import presigned
from ted_jobs.files.artifacts import ArtifactStore, artifact_store
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.files.intact import IntactFiles
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers import object_stores
from tests.ted_jobs.jobs.test_store import claimed


@pytest.fixture(scope="module")
def servers() -> Iterator[None]:
    """Both kinds of store, each found by its scheme."""
    with (
        object_stores.s3() as s3,
        object_stores.google() as google,
        object_stores.reached({**s3.environment, **google.environment}),
    ):
        yield


@pytest.fixture(params=object_stores.KINDS)
def uri(servers: None, request: pytest.FixtureRequest) -> ObjectUri:
    """A folder in each of them."""
    return ObjectUri.parse(f"{request.param}://{object_stores.BUCKET}/{uuid.uuid4()}")


@pytest.fixture
def of_s3(servers: None) -> ObjectUri:
    return ObjectUri.parse(f"s3://{object_stores.BUCKET}/{uuid.uuid4()}")


@pytest.fixture
def bucket(uri: ObjectUri) -> ArtifactStore:
    return ArtifactStore(uri)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.parquet"
    path.write_bytes(b"rows " * 1000)
    return path


def test_what_is_put_is_read_back(bucket: ArtifactStore, manifest: Path) -> None:
    artifact = bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")

    with bucket.open(artifact) as file:
        file.seek(5)
        assert file.read() == manifest.read_bytes()[5:]
    assert (artifact.key, artifact.bytes) == ("job_1/2/manifest.parquet", 5000)


def test_a_copy_is_whole_or_known_not_to_be(bucket: ArtifactStore, manifest: Path, tmp_path: Path) -> None:
    artifact = bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")

    assert bucket.fetch(artifact, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == manifest.read_bytes()

    manifest.write_bytes(b"others")
    bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")
    assert not bucket.fetch(artifact, tmp_path / "copy")

    bucket.delete(artifact.key)
    assert not bucket.fetch(artifact, tmp_path / "copy")


def test_a_file_that_is_gone_is_an_error(bucket: ArtifactStore, manifest: Path) -> None:
    artifact = bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")
    bucket.delete("job_1")
    bucket.delete("job_1")

    with pytest.raises(ArtifactLost):
        bucket.open(artifact)
    with pytest.raises(ArtifactLost):
        bucket.entry(artifact)


def test_a_file_that_was_cut_short_is_an_error(bucket: ArtifactStore, manifest: Path) -> None:
    artifact = bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")
    manifest.write_bytes(b"rows")
    bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")

    with pytest.raises(ArtifactLost, match="4 bytes, not 5000"):
        bucket.entry(artifact)


def test_no_link_leads_to_an_object_that_is_gone(
    of_s3: ObjectUri, store: JobStore, leases: Leases, engine: Engine, manifest: Path
) -> None:
    bucket, claim = ArtifactStore(of_s3, link_seconds=60), claimed(store, leases)
    artifact = bucket.put_attempt_file(manifest, job_id=claim.job.id, token=2, kind="manifest")
    files = IntactFiles(bucket, engine)
    assert files.download_url(artifact, filename="manifest.parquet")

    bucket.delete(artifact.key)

    with pytest.raises(ArtifactLost):
        files.download_url(artifact, filename="manifest.parquet")


def test_links_are_good_without_credentials(of_s3: ObjectUri, manifest: Path) -> None:
    bucket = ArtifactStore(of_s3, link_seconds=60)
    artifact = bucket.put_attempt_file(manifest, job_id="job_1", token=2, kind="manifest")

    link = bucket.download_url(artifact, filename="job_1-manifest.parquet")

    assert link
    answer = httpx.get(link)
    assert answer.content == manifest.read_bytes()
    assert "X-Amz-Expires=60" in link
    assert ArtifactStore(of_s3).download_url(artifact, filename="any") is None


def test_without_an_answer_the_store_is_said_to_be_away(manifest: Path) -> None:
    with object_stores.answering(lambda *_: (503, b"")), pytest.raises(StoreUnavailable):
        ArtifactStore(ObjectUri.parse("s3://bucket/folder")).put_attempt_file(
            manifest, job_id="job_1", token=1, kind="manifest"
        )


def test_a_store_that_lets_nobody_in_is_the_operator_s_business_and_worth_another_attempt(manifest: Path) -> None:
    bucket = ArtifactStore(ObjectUri.parse("s3://bucket/folder"))
    artifact = Artifact(kind="manifest", key="job_1/1/manifest.parquet", bytes=5000, sha256="0" * 64)
    steps = [
        lambda: bucket.put_attempt_file(manifest, job_id="job_1", token=1, kind="manifest"),
        lambda: bucket.open(artifact),
        lambda: bucket.delete(artifact.key),
    ]

    for step in steps:
        with object_stores.answering(lambda *_: (403, b"")), pytest.raises(ArtifactsRefused) as refused:
            step()
        assert refused.value.retryable


def test_links_without_botocore_are_missed_at_the_start(of_s3: ObjectUri, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, linking = (Settings(artifact_root=str(of_s3), artifact_link_seconds=seconds) for seconds in (0, 60))
    presigned.check_presigning(linking)
    monkeypatch.setattr(presigned, "find_spec", lambda _: None)

    presigned.check_presigning(plain)
    with pytest.raises(presigned.LinksNeedBotocore, match=r"ted-coreset\[s3\]"):
        presigned.check_presigning(linking)


def test_what_cannot_be_removed_now_is_no_crash(manifest: Path) -> None:
    with object_stores.answering(lambda *_: (503, b"")), pytest.raises(StoreUnavailable):
        ArtifactStore(ObjectUri.parse("s3://bucket/folder")).delete("job_1/checkpoints")


def test_checkpoints_lie_there_as_well(
    bucket: ArtifactStore, engine: Engine, store: JobStore, leases: Leases, tmp_path: Path
) -> None:
    claim, checkpoints = claimed(store, leases), CheckpointStore(engine, bucket)
    for name in "abc":
        (tmp_path / name).write_text(name)
        checkpoints.add(claim, tmp_path / name)
    (tmp_path / "copies").mkdir()

    assert [path.read_text() for path in checkpoints.fetch_intact(claim.job.id, folder=tmp_path / "copies")] == [
        "c",
        "b",
    ]
    checkpoints.delete_for_job(claim.job.id)
    assert not checkpoints.for_job(claim.job.id)


def test_the_settings_name_a_folder_or_a_bucket(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path)
    stored = Settings(home=tmp_path, artifact_root="s3://bucket/folder", artifact_link_seconds=30)

    assert artifact_store(folder).store.root == tmp_path / "artifacts"
    bucket = artifact_store(stored)
    assert (str(bucket.store.root), bucket.link_seconds) == ("s3://bucket/folder", 30)
