"""A succeeded job's files over HTTP: whole, in part, described, or not again where the client has them."""

import base64
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from fastapi.testclient import TestClient

from ted_jobs.errors import ArtifactsRefused
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Artifact
from ted_jobs.settings import Settings
from tests.service.conftest import Json, on_both_databases
from tests.ted_jobs.successes import succeed

CONTENT = random.Random(0).randbytes(600_000)  # noqa: S311 - more than two chunks of any bytes
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT)
ETAG = f'"{SHA256.hexdigest()}"'


@pytest.fixture
def manifest(
    client: TestClient,
    submission: Callable[..., Json],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
) -> str:
    """The path of a succeeded job's manifest."""
    job_id = client.post("/v1/jobs", json=submission()).json()["id"]
    file = tmp_path / "manifest.parquet"
    file.write_bytes(CONTENT)
    succeed(job_id, {"manifest": file}, leases=leases, artifacts=settings.artifacts)
    return f"/v1/jobs/{job_id}/manifest"


@on_both_databases
def test_a_file_is_sent_with_its_digest_and_a_file_name(client: TestClient, manifest: str) -> None:
    answer = client.get(manifest)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:"
    job_id = manifest.split("/")[3]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{job_id}-manifest.parquet"'


@pytest.mark.parametrize(
    ("byte_range", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=262143-262144", 262143, 262144),
        ("bytes=1000-599000", 1000, 599_000),
        ("bytes=599999-", SIZE - 1, SIZE - 1),
        ("bytes=300000-", 300_000, SIZE - 1),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-500", SIZE - 500, SIZE - 1),
        ("bytes=-999999999", 0, SIZE - 1),
        ("bytes=599990-999999999", 599_990, SIZE - 1),
    ],
)
def test_a_range_is_answered_with_partial_content(
    client: TestClient, manifest: str, byte_range: str, first: int, last: int
) -> None:
    answer = client.get(manifest, headers={"Range": byte_range})

    assert answer.status_code == 206
    assert answer.content == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["Content-Length"] == str(last + 1 - first)
    assert answer.headers["ETag"] == ETAG


@pytest.mark.parametrize("byte_range", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 9}", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(client: TestClient, manifest: str, byte_range: str) -> None:
    answer = client.get(manifest, headers={"Range": byte_range})

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "byte_range",
    ["bytes=0-1,5-6", "bytes=9-3", "bytes=", "bytes=-", "bytes=a-b", "rows=0-9", "0-9", "bytes=" + "9" * 99],
)
def test_an_unusable_range_is_answered_with_the_whole_file(client: TestClient, manifest: str, byte_range: str) -> None:
    answer = client.get(manifest, headers={"Range": byte_range})

    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(ETAG, 206), ('"another file"', 200), (f"W/{ETAG}", 200), ("Sat, 31 Jan 2026 12:00:00 GMT", 200)],
)
def test_if_range_guards_against_mixing_two_files(
    client: TestClient, manifest: str, if_range: str, status: int
) -> None:
    answer = client.get(manifest, headers={"Range": "bytes=5-9", "If-Range": if_range})

    assert answer.status_code == status
    assert answer.content == (CONTENT[5:10] if status == 206 else CONTENT)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
def test_a_file_with_a_matching_etag_is_not_sent_again(
    client: TestClient, manifest: str, method: str, known: str
) -> None:
    answer = client.request(method, manifest, headers={"If-None-Match": known})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == ETAG


def test_a_file_with_another_etag_is_sent(client: TestClient, manifest: str) -> None:
    answer = client.get(manifest, headers={"If-None-Match": '"other"'})

    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_head_sends_the_headers_of_get_without_the_body(client: TestClient, manifest: str) -> None:
    described = client.head(manifest)
    sent = client.get(manifest)

    mine = {"x-request-id"}
    assert (described.status_code, described.content) == (200, b"")
    assert {name: described.headers[name] for name in described.headers if name not in mine} == {
        name: sent.headers[name] for name in sent.headers if name not in mine
    }


@on_both_databases
@pytest.mark.parametrize("kind", ["manifest", "decisions"])
def test_there_is_nothing_to_download_before_success(
    client: TestClient, submission: Callable[..., Json], kind: str
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()

    answer = client.get(job["links"][kind])

    assert (answer.status_code, answer.json()["code"]) == (409, "artifact_not_ready")
    assert "is queued" in answer.json()["detail"]
    assert client.head(job["links"][kind]).status_code == 409


def test_an_object_store_that_refuses_the_service_is_not_a_client_error(
    client: TestClient, manifest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ArtifactsRefused("403")

    monkeypatch.setattr(ArtifactStore, "entry", refuse)

    answer = client.get(manifest)

    assert (answer.status_code, answer.json()["code"]) == (503, "artifacts_refused")
    assert answer.headers["Retry-After"]


def test_a_job_deleted_during_a_download_request_is_not_found(
    client: TestClient, manifest: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = ArtifactStore.open

    def opened_too_late(store: ArtifactStore, artifact: Artifact) -> BinaryIO:
        client.delete(manifest.removesuffix("/manifest"))
        return open_file(store, artifact)

    monkeypatch.setattr(ArtifactStore, "open", opened_too_late)

    assert client.get(manifest).status_code == 404
