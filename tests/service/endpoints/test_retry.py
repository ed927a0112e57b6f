"""Submitting an ended job again."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from tests.service.conftest import Json, on_both_databases
from tests.ted_jobs.conftest import SPEC, SUMMARY

KEY = {"Idempotency-Key": "once more"}


@pytest.fixture
def cancelled(client: TestClient, submission: Callable[..., Json]) -> Callable[..., Json]:
    def end(*file: str, **sections: object) -> Json:
        job = client.post("/v1/jobs", json=submission(*file, **sections)).json()
        return client.post(job["links"]["cancel"]).json()

    return end


@on_both_databases
def test_a_retry_is_a_new_job_with_the_same_specification(client: TestClient, cancelled: Callable[..., Json]) -> None:
    old = cancelled(metadata={"team": "vision"}, plan={"seed": 7}, deadline_seconds=600)

    answer = client.post(old["links"]["retry"])

    new = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == new["links"]["self"] != old["links"]["self"]
    assert answer.headers["Retry-After"]
    assert (new["status"], new["retry_of"], old["retry_of"]) == ("queued", old["id"], None)
    for asked in ("dataset", "proxy", "plan", "metadata", "rows_in"):
        assert new[asked] == old[asked]
    assert datetime.fromisoformat(new["deadline_at"]) > datetime.fromisoformat(old["deadline_at"])
    assert client.get(old["links"]["self"]).json() == old
    first = client.get(new["links"]["events"]).json()["data"][0]
    assert (first["type"], first["data"]) == ("job.queued", {"retry_of": old["id"]})


def test_only_a_job_that_has_ended_is_retried(
    client: TestClient, submission: Callable[..., Json], leases: Leases
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()
    refused = [client.post(job["links"]["retry"])]
    assert leases.claim(job["id"], worker="w")
    refused.append(client.post(job["links"]["retry"]))

    assert [answer.status_code for answer in refused] == [409, 409]
    assert {answer.json()["code"] for answer in refused} == {"job_not_ended"}
    assert "is running" in refused[1].json()["detail"]
    assert "cancel it first" in refused[1].json()["detail"]


@on_both_databases
def test_a_retry_with_an_idempotency_key_is_stored_once(client: TestClient, cancelled: Callable[..., Json]) -> None:
    old, other = cancelled(), cancelled()

    first, again = (client.post(old["links"]["retry"], headers=KEY) for _ in range(2))
    elsewhere = client.post(other["links"]["retry"], headers=KEY)

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "idempotency_conflict")


def test_a_retry_is_replayed_even_if_the_old_job_is_gone(client: TestClient, cancelled: Callable[..., Json]) -> None:
    old = cancelled()
    first = client.post(old["links"]["retry"], headers=KEY)
    client.delete(old["links"]["self"])

    again, unknown = client.post(old["links"]["retry"], headers=KEY), client.post(old["links"]["retry"])

    assert again.json() == first.json()
    assert (unknown.status_code, unknown.json()["code"]) == (404, "job_not_found")


def test_the_idempotency_key_of_a_submission_cannot_be_used_for_a_retry(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    job = client.post("/v1/jobs", json=submission(), headers=KEY).json()
    client.post(job["links"]["cancel"])

    answer = client.post(job["links"]["retry"], headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")


def test_a_retry_inspects_the_dataset_again(
    client: TestClient, cancelled: Callable[..., Json], store: JobStore, data: Path
) -> None:
    file = data / "changing.parquet"
    file.write_bytes((data / "images.parquet").read_bytes())
    old = cancelled(file.name)
    before = store.job(old["id"], tenant="default").dataset_guard

    file.write_bytes(min((data / "parts").iterdir()).read_bytes())
    new = client.post(old["links"]["retry"]).json()
    file.unlink()
    gone = client.post(old["links"]["retry"])

    assert store.job(new["id"], tenant="default").dataset_guard != before
    assert (gone.status_code, gone.json()["errors"][0]["field"]) == (422, "dataset.uri")


def test_another_tenants_job_cannot_be_retried(client: TestClient, store: JobStore) -> None:
    job = store.submit(SPEC, SUMMARY, tenant="theirs").job
    store.cancel(job.id, tenant="theirs")

    answer = client.post(f"/v1/jobs/{job.id}/retry")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
