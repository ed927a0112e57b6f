"""A request may leave the format out; every answer says which it is."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import Json, on_both_databases


def test_estimate_and_job_write_the_format_out(client: TestClient, submission: Callable[..., Json]) -> None:
    estimate = client.post("/v1/jobs?validate_only=true", json=submission()).json()

    job = client.post("/v1/jobs", json=submission()).json()

    assert estimate["understood"]["format"] == "parquet"
    assert estimate["dataset"]["format"] == job["dataset"]["format"] == "parquet"
    assert client.get(job["links"]["self"]).json()["dataset"]["format"] == "parquet"


@on_both_databases
def test_a_retry_keeps_the_format_even_if_another_would_be_inferred(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    folder = data / "growing"
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "a.parquet").write_bytes((data / "images.parquet").read_bytes())
    old = client.post("/v1/jobs", json=submission("growing")).json()
    client.post(old["links"]["cancel"])
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text("image,label\n1,2\n")

    new = client.post(old["links"]["retry"])

    assert new.status_code == 202, new.text
    assert new.json()["dataset"] == old["dataset"]


@pytest.mark.parametrize("first", [None, "parquet"])
def test_a_repeated_submission_is_known_by_its_body_not_by_the_format_written_out(
    client: TestClient, submission: Callable[..., Json], first: str | None
) -> None:
    key = {"Idempotency-Key": f"formats {first}"}
    stored = client.post("/v1/jobs", json=submission(dataset={"format": first}), headers=key)

    same = client.post("/v1/jobs", json=submission(dataset={"format": first}), headers=key)
    other = client.post("/v1/jobs", json=submission(), headers=key)

    assert (same.status_code, same.json()["id"]) == (202, stored.json()["id"])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


@on_both_databases
def test_a_registered_dataset_has_its_format_written_out(client: TestClient, data: Path) -> None:
    body = {"name": "digits", "uri": f"{data}/images.parquet", "task": "image-classification"}

    named = client.post("/v1/datasets", json=body).json()

    job = {"dataset": {"name": "digits"}, "proxy": {"name": "cnn"}, "plan": {"keep_ratio": 0.6}}
    stored = client.post("/v1/jobs", json=job).json()
    assert named["reference"]["format"] == stored["dataset"]["format"] == "parquet"
