"""Another ratio of a job that has succeeded: downloaded like its own manifest, and made only once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from ted_core.results.manifest import read_manifest
from ted_core.results.provenance import Provenance
from ted_jobs.files import recuts
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.service.conftest import Json, on_both_databases
from tests.ted_core.results.recuts.test_recut import ROWS, Ranking
from tests.ted_core.results.recuts.test_recut import dataset as dataset  # noqa: PLC0414 - a fixture
from tests.ted_core.results.recuts.test_recut import provenance as provenance  # noqa: PLC0414 - a fixture
from tests.ted_jobs.successes import succeed


@pytest.fixture
def done(
    client: TestClient,
    submission: Callable[..., Json],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    provenance: Provenance,
) -> Callable[..., str]:
    """The path of a succeeded job's manifest."""

    def run(method: str = "ted") -> str:
        job_id = client.post("/v1/jobs", json=submission()).json()["id"]
        decisions = Ranking(1).written(tmp_path / "out", provenance, ratio=0.6, method=method)
        files = {"manifest": decisions.with_name("manifest.parquet"), "decisions": decisions}
        succeed(job_id, files, leases=leases, artifacts=settings.artifacts)
        return f"/v1/jobs/{job_id}/manifest"

    return run


def saved(content: bytes, folder: Path) -> Path:
    path = folder / "downloaded.parquet"
    path.write_bytes(content)
    return path


@on_both_databases
def test_a_recut_has_its_own_digest_and_file_name(client: TestClient, done: Callable[..., str], tmp_path: Path) -> None:
    manifest = done()

    answer = client.get(manifest, params={"keep_ratio": 0.25})

    assert answer.status_code == 200
    derived = read_manifest(saved(answer.content, tmp_path))
    assert (derived.metadata.plan["keep_ratio"], derived.metadata.parent_keep_ratio) == (0.25, 0.6)
    assert len(derived.row_indices) == round(0.25 * (ROWS - 2))
    assert answer.headers["ETag"] != client.head(manifest).headers["ETag"]
    assert "manifest-0.25.parquet" in answer.headers["Content-Disposition"]


def test_a_recut_is_made_once_and_then_served_with_etag_and_ranges(
    client: TestClient, done: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = done()
    first = client.get(manifest, params={"keep_ratio": 0.3})
    monkeypatch.setattr("ted_core.results.recuts.recut.recut", None)

    again = client.get(manifest, params={"keep_ratio": 0.3}, headers={"If-None-Match": first.headers["ETag"]})
    part = client.get(manifest, params={"keep_ratio": 0.3}, headers={"Range": "bytes=10-19"})

    assert again.status_code == 304
    assert (part.status_code, part.content) == (206, first.content[10:20])


def test_a_recut_at_the_jobs_own_ratio_is_its_manifest(client: TestClient, done: Callable[..., str]) -> None:
    manifest = done()

    own, asked = client.get(manifest), client.get(manifest, params={"keep_ratio": 0.6})

    assert own.headers["ETag"] == asked.headers["ETag"]


def test_the_oldest_recut_is_evicted(
    client: TestClient, done: Callable[..., str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recuts, "MOST_KEPT", 3)
    manifest = done()

    tags = [
        client.get(manifest, params={"keep_ratio": ratio}).headers["ETag"] for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.1)
    ]

    assert tags[0] == tags[-1]
    assert len(list(settings.artifacts.glob("*/recut/*"))) == 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("keep_ratio=0", "invalid_request"),
        ("keep_ratio=1", "invalid_request"),
        ("keep_ratio=nan", "invalid_request"),
        ("keep_ratio=half", "invalid_request"),
        ("keep_rato=0.5", "invalid_request"),
        ("keep_ratio=0.01", "too_few_rows_kept"),
    ],
)
def test_an_invalid_ratio_is_refused(client: TestClient, done: Callable[..., str], query: str, code: str) -> None:
    answer = client.get(f"{done()}?{query}")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["field"] in query


def test_a_method_that_selects_for_one_ratio_cannot_be_recut(client: TestClient, done: Callable[..., str]) -> None:
    answer = client.get(done("ccs"), params={"keep_ratio": 0.5})

    assert (answer.status_code, answer.json()["code"]) == (422, "recut_unsuited")


def test_there_is_no_recut_before_the_job_has_succeeded(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission()).json()

    answer = client.get(job["links"]["manifest"], params={"keep_ratio": 0.5})

    assert (answer.status_code, answer.json()["code"]) == (409, "artifact_not_ready")


def test_a_recut_that_is_lost_is_made_again(client: TestClient, done: Callable[..., str], settings: Settings) -> None:
    manifest = done()
    first = client.get(manifest, params={"keep_ratio": 0.25})
    next(settings.artifacts.glob("*/recut/*")).write_bytes(b"damaged")

    with capture_logs():
        again = client.get(manifest, params={"keep_ratio": 0.25})

    assert (again.status_code, again.content) == (200, first.content)


def test_damaged_decisions_cannot_be_cut(client: TestClient, done: Callable[..., str], settings: Settings) -> None:
    manifest = done()
    (decisions,) = settings.artifacts.rglob("decisions.parquet")
    decisions.write_bytes(decisions.read_bytes()[:-1] + b"?")

    with capture_logs():
        answer = client.get(manifest, params={"keep_ratio": 0.5})

    assert (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")
    assert "decisions.parquet" in answer.json()["detail"]
