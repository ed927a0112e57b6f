"""Submitting a job: what comes back, what is stored, and what happens when a client repeats itself."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ted_jobs.jobs.store import JobStore
from tests.service.conftest import Json, on_both_databases

KEY = {"Idempotency-Key": "monday's run"}
SUBMITTED_ONCE = {"jobs": 1, "events": 1, "outbox": 1, "idempotency": 1}


@on_both_databases
def test_a_submitted_job_is_stored_with_its_wake_up(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    answer = client.post("/v1/jobs", json=submission())

    job = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(r"job_[0-9a-f]{28}", job["id"])
    assert (job["status"], job["attempt"], job["rows_in"]) == ("queued", 0, 40)
    assert answer.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get(answer.headers["Location"]).json() == job
    assert rows() == SUBMITTED_ONCE | {"idempotency": 0}


def test_every_default_is_written_out(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission(proxy={"name": "cnn", "epochs": 9})).json()

    assert job["plan"] == {
        "keep_ratio": 0.6,
        "class_balance": "free",
        "sampling": "global",
        "guard": False,
        "method": "ted",
        "score": "margin",
        "tolerance": None,
        "q": None,
        "rounds": 3,
        "class_floor": 0.0,
        "seed": 0,
    }
    assert job["proxy"] == {
        "name": "cnn",
        "model": None,
        "train_blocks": None,
        "epochs": 9,
        "batch_size": 128,
        "learning_rate": 0.004,
        "weight_decay": 0.05,
        "augment": True,
        "precision": "float32",
    }
    assert (job["metadata"], job["deadline_at"], job["max_attempts"]) == ({}, None, 3)


def test_chosen_settings_are_kept_and_stored(
    client: TestClient, submission: Callable[..., Json], store: JobStore
) -> None:
    chosen = {
        "proxy": {
            "name": "mlp",
            "epochs": 20,
            "batch_size": 64,
            "weight_decay": 0.0,
            "augment": False,
            "precision": "float32",
        },
        "plan": {
            "keep_ratio": 0.5,
            "class_balance": "free",
            "sampling": "global",
            "guard": False,
            "method": "random",
            "q": 4.0,
            "score": "parameter",
            "rounds": 5,
            "class_floor": 0.1,
            "seed": 7,
        },
    }

    job = client.post("/v1/jobs", json=submission(**chosen, deadline_seconds=60)).json()

    assert {name: job["proxy"][name] for name in chosen["proxy"]} == chosen["proxy"]
    assert job["plan"] == chosen["plan"] | {"tolerance": None}
    assert job["deadline_at"] > job["created_at"]
    assert store.job(job["id"], tenant="default").spec.plan.model_dump() == job["plan"]


@pytest.mark.parametrize("dataset", ["parts", "digits.npz"])
def test_folders_and_other_formats_are_accepted(
    client: TestClient, submission: Callable[..., Json], dataset: str
) -> None:
    spec = {"format": "npz"} if dataset.endswith("npz") else {}

    job = client.post("/v1/jobs", json=submission(dataset, dataset=spec)).json()

    assert job["rows_in"] == (80 if dataset == "parts" else 40)


@on_both_databases
def test_repeating_a_request_with_its_idempotency_key_returns_the_first_job(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    first = client.post("/v1/jobs", json=submission(), headers=KEY)

    again = client.post("/v1/jobs", json=submission(), headers=KEY)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert rows() == SUBMITTED_ONCE


def test_white_space_and_field_order_do_not_change_the_request_digest(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    body = submission()
    client.post("/v1/jobs", json=body, headers=KEY)

    again = client.post("/v1/jobs", json=dict(reversed(body.items())), headers=KEY)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert rows() == SUBMITTED_ONCE


@on_both_databases
def test_another_body_with_a_used_idempotency_key_is_refused(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    client.post("/v1/jobs", json=submission(), headers=KEY)

    answer = client.post("/v1/jobs", json=submission(plan={"seed": 1}), headers=KEY)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "idempotency_conflict")
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert "choose a new key" in problem["detail"]
    assert rows() == SUBMITTED_ONCE


def test_a_replay_is_answered_even_if_the_dataset_is_gone(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    short_lived = data / "short_lived.parquet"
    short_lived.write_bytes((data / "images.parquet").read_bytes())
    body = submission(short_lived.name)
    first = client.post("/v1/jobs", json=body, headers=KEY)
    short_lived.unlink()

    again = client.post("/v1/jobs", json=body, headers=KEY)
    without_key = client.post("/v1/jobs", json=body)

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert without_key.status_code == 422


def test_a_replay_shows_the_current_state_of_the_job(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission(), headers=KEY).json()
    client.post(job["links"]["cancel"])

    again = client.post("/v1/jobs", json=submission(), headers=KEY)

    assert (again.status_code, again.json()["status"]) == (202, "cancelled")
    assert "Retry-After" not in again.headers


@on_both_databases
def test_concurrent_requests_with_one_idempotency_key_store_one_job(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    def submit(_: int) -> str:
        return client.post("/v1/jobs", json=submission(), headers=KEY).json()["id"]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(submit, range(16)))

    assert len(set(ids)) == 1
    assert rows() == SUBMITTED_ONCE


def test_without_an_idempotency_key_every_request_stores_a_job(
    client: TestClient, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    ids = {client.post("/v1/jobs", json=submission()).json()["id"] for _ in range(2)}

    assert len(ids) == rows()["jobs"] == 2
