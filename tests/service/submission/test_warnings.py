"""Warnings are told before a job costs anything; a strict job is refused for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.inspection.processes import InspectionProcesses
from ted_core.datasets import DatasetSummary
from ted_core.datasets.inspection_messages import InspectionRequest
from ted_core.warnings import JobWarning, WarningCode
from tests.service.conftest import Json, on_both_databases

KEYS = JobWarning.of(WarningCode.KEYS_NOT_UNIQUE, "'id' holds 20 values in 40 rows", field="dataset.input")
OF_NO_FIELD = JobWarning("from_a_plug_in", None, "An installed package says so.")
TOLD = [vars(KEYS), vars(OF_NO_FIELD)]


@pytest.fixture
def submission(submission: Callable[..., Json]) -> Callable[..., Json]:
    """The same body, with a proxy of which nothing is unusual."""
    return lambda **sections: submission(proxy={"name": "cnn", "batch_size": 8}, **sections)


@pytest.fixture(autouse=True)
def warned(request: pytest.FixtureRequest, processes: InspectionProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspections find these, besides what they find."""
    found = (KEYS, OF_NO_FIELD)
    inspect = processes.inspect

    def inspected(asked: InspectionRequest) -> DatasetSummary:
        return replace(inspect(asked), warnings=found)

    monkeypatch.setattr(processes, "inspect", inspected)


@on_both_databases
def test_the_estimate_and_the_job_show_the_same_warnings(client: TestClient, submission: Callable[..., Json]) -> None:
    estimate = client.post("/v1/jobs?validate_only=true", json=submission()).json()

    job = client.post("/v1/jobs", json=submission()).json()

    read, listed = client.get(job["links"]["self"]).json(), client.get("/v1/jobs").json()["data"][0]
    assert [one["warnings"] for one in (estimate, job, read, listed)] == [TOLD] * 4


@on_both_databases
@pytest.mark.parametrize("query", ["", "?validate_only=true"], ids=["job", "estimate"])
def test_a_strict_job_is_refused_with_an_error_for_each_warning(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], dict[str, int]], query: str
) -> None:
    answer = client.post(f"/v1/jobs{query}", json=submission(strict=True))

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "warnings_refused")
    assert problem["errors"] == [
        {"field": "dataset.input", "message": KEYS.message},
        {"field": "request", "message": OF_NO_FIELD.message},
    ]
    assert f"keys_not_unique: {KEYS.message}" in problem["detail"]
    assert set(rows().values()) == {0}


def test_strict_is_a_boolean(client: TestClient, submission: Callable[..., Json]) -> None:
    answer = client.post("/v1/jobs", json=submission(strict="yes"))

    assert answer.json()["errors"] == [{"field": "strict", "message": 'Input should be a valid boolean, not "yes"'}]


def test_a_retry_is_warned_of_what_is_found_then(client: TestClient, submission: Callable[..., Json]) -> None:
    old = client.post("/v1/jobs", json=submission()).json()
    client.post(old["links"]["cancel"])

    new = client.post(old["links"]["retry"]).json()

    assert new["warnings"] == old["warnings"] == TOLD


def test_a_repeated_submission_shows_the_warnings_of_the_first(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    first, again = (client.post("/v1/jobs", json=submission(), headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["warnings"] == first.json()["warnings"] == TOLD


@on_both_databases
def test_a_registered_dataset_shows_its_warnings_and_what_it_is_taken_for(client: TestClient, data: Path) -> None:
    body = {"name": "digits", "uri": f"{data}/images.parquet", "task": "image-classification"}

    named = client.post("/v1/datasets", json=body).json()

    read, listed = client.get("/v1/datasets/digits").json(), client.get("/v1/datasets").json()["data"][0]
    assert [one["warnings"] for one in (named, read, listed)] == [TOLD] * 3
    assert [one["understood"] and one["understood"]["files"] for one in (named, read, listed)] == [
        ["images.parquet"],
        ["images.parquet"],
        None,
    ]
