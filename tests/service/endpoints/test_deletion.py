"""Deleting a job over HTTP."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from ted_jobs.files.intact import CHUNK_BYTES
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.service.conftest import Json, on_both_databases
from tests.service.processes import api_process
from tests.ted_jobs.conftest import SPEC, SUMMARY
from tests.ted_jobs.successes import succeed

LARGE = 64 * CHUNK_BYTES


@pytest.fixture
def succeeded(store: JobStore, leases: Leases, settings: Settings, tmp_path: Path) -> str:
    """A job whose manifest is larger than what any buffer on the way holds."""
    job_id = store.submit(SPEC, SUMMARY, tenant="default").job.id
    (tmp_path / "manifest.parquet").write_bytes(LARGE * b"x")
    succeed(job_id, {"manifest": tmp_path / "manifest.parquet"}, leases=leases, artifacts=tmp_path / "artifacts")
    return f"/v1/jobs/{job_id}"


@on_both_databases
def test_a_deleted_job_is_gone_from_every_endpoint(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission()).json()
    early = client.delete(job["links"]["self"])
    client.post(job["links"]["cancel"])

    deleted, again = client.delete(job["links"]["self"]), client.delete(job["links"]["self"])

    assert (early.status_code, early.json()["code"]) == (409, "job_not_ended")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (again.status_code, again.json()["code"]) == (404, "job_not_found")
    assert {client.get(job["links"][name]).status_code for name in ("self", "events", "manifest", "report")} == {404}
    assert client.get("/v1/jobs").json()["data"] == []


def test_another_tenants_job_is_not_found(client: TestClient, store: JobStore) -> None:
    job = store.submit(SPEC, SUMMARY, tenant="theirs").job
    store.cancel(job.id, tenant="theirs")

    assert client.delete(f"/v1/jobs/{job.id}").status_code == 404
    assert store.job(job.id, tenant="theirs")


def test_a_download_in_progress_is_finished(succeeded: str, settings: Settings, tmp_path: Path) -> None:
    with (
        api_process(settings, log=tmp_path / "api.log") as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
        client.stream("GET", f"{succeeded}/manifest") as download,
    ):
        parts = download.iter_bytes(CHUNK_BYTES)
        received = len(next(parts))

        assert httpx.delete(api.url + succeeded, timeout=30).status_code == 204
        received += sum(map(len, parts))

        assert received == LARGE
        assert client.get(f"{succeeded}/manifest").status_code == 404
        assert not list((tmp_path / "artifacts").iterdir())
