"""The short cut of the busiest endpoints: whatever is asked, FastAPI's own way would have answered the same."""

from collections.abc import Callable

import httpx2
import pytest
from fastapi.testclient import TestClient

from service.endpoints.jobs import ReadJobRoute, SubmitJobRoute
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey, Scope
from tests.service.conftest import Json, bearer

UNKNOWN_ID = f"job_{'0' * 28}"
JSON_TYPE = {"Content-Type": "application/json"}
READS: dict[str, tuple[str, Json]] = {
    "stored": ("{id}", {}),
    "unchanged": ("{id}", {"If-None-Match": '"1"'}),
    "changed": ("{id}", {"If-None-Match": '"7"'}),
    "waiting for a change": ("{id}", {"Prefer": "wait=0"}),
    "waiting, unchanged": ("{id}", {"Prefer": "wait=1", "If-None-Match": '"1"'}),
    "with a query": ("{id}?verbose=1", {}),
    "unknown": (UNKNOWN_ID, {}),
    "no id": ("j", {}),
}
SUBMISSIONS: dict[str, tuple[str, Json, bytes]] = {
    "not JSON": ("", JSON_TYPE, b"{"),
    "not declared as JSON": ("", {"Content-Type": "text/plain"}, b"{}"),
    "not declared at all": ("", {}, b"{}"),
    "empty": ("", JSON_TYPE, b""),
    "not a job": ("", JSON_TYPE, b"[]"),
    "only checked": ("?validate_only=true", JSON_TYPE, b"{}"),
    "with an unknown query": ("?fast=true", JSON_TYPE, b"{}"),
    "with a key": ("", JSON_TYPE | {"Idempotency-Key": "k"}, b"{}"),
    "with an empty key": ("", JSON_TYPE | {"Idempotency-Key": ""}, b"{}"),
    "with a key of other letters": ("", JSON_TYPE | {"Idempotency-Key": "a\tb"}, b"{}"),
    "with a key that is too long": ("", JSON_TYPE | {"Idempotency-Key": "k" * 256}, b"{}"),
}


def comparable(response: httpx2.Response) -> tuple[int, Json, Json | None]:
    """Everything but what differs from request to request."""
    headers = {name: value for name, value in response.headers.items() if name not in ("x-request-id", "ratelimit")}
    body = response.json() if response.content else None
    return response.status_code, headers, body and {name: body[name] for name in body if name != "instance"}


@pytest.fixture
def without_short_cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, FastAPI resolves the arguments of every endpoint."""

    def switch_off() -> None:
        for route in (ReadJobRoute, SubmitJobRoute):
            monkeypatch.setattr(route, "is_plain", lambda *_: False)

    return switch_off


@pytest.mark.parametrize("case", READS)
def test_a_job_reads_the_same_without_the_short_cut(
    client: TestClient, submission: Callable[..., Json], without_short_cut: Callable[[], None], case: str
) -> None:
    job_id = client.post("/v1/jobs", json=submission()).json()["id"]
    path, headers = READS[case]
    url = f"/v1/jobs/{path.format(id=job_id)}"

    direct = client.get(url, headers=headers)
    without_short_cut()

    assert comparable(direct) == comparable(client.get(url, headers=headers))


@pytest.mark.parametrize("case", SUBMISSIONS)
def test_a_submission_is_refused_in_the_same_words_without_the_short_cut(
    client: TestClient, without_short_cut: Callable[[], None], case: str
) -> None:
    query, headers, body = SUBMISSIONS[case]

    direct = client.post(f"/v1/jobs{query}", content=body, headers=headers)
    without_short_cut()

    assert direct.is_client_error
    assert comparable(direct) == comparable(client.post(f"/v1/jobs{query}", content=body, headers=headers))


def test_a_submission_is_accepted_the_same_without_the_short_cut(
    client: TestClient, submission: Callable[..., Json], without_short_cut: Callable[[], None]
) -> None:
    headers = {"Idempotency-Key": "once", "Prefer": "wait=0"}

    first = client.post("/v1/jobs", json=submission(), headers=headers)
    replayed = client.post("/v1/jobs", json=submission(), headers=headers)
    without_short_cut()

    assert (first.status_code, replayed.headers["Idempotent-Replayed"]) == (202, "true")
    assert comparable(replayed) == comparable(client.post("/v1/jobs", json=submission(), headers=headers))


@pytest.mark.parametrize("way", ["short cut", "FastAPI's"])
def test_the_key_is_checked_before_anything_else_and_counted_once(
    guarded: TestClient, keys: ApiKeyStore, without_short_cut: Callable[[], None], way: str
) -> None:
    _, reading = keys.create(NewApiKey(scopes=[Scope.READ], requests_per_minute=10))
    if way != "short cut":
        without_short_cut()

    refused = guarded.post("/v1/jobs", content=b"{", headers=bearer(reading))
    unknown = guarded.get("/v1/jobs/j", headers=bearer(reading))

    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert "r=9" in refused.headers["RateLimit"]
    assert "r=8" in unknown.headers["RateLimit"]
    assert guarded.post("/v1/jobs", content=b"{").status_code == 401
    assert guarded.get("/v1/jobs/j").status_code == 401
