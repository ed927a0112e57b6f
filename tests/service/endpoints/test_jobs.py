"""Reading, listing and cancelling jobs, and what has happened to them."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from ted_jobs.jobs.leases import Claim, Leases
from tests.service.conftest import Json, on_both_databases

UNKNOWN = "/v1/jobs/job_" + 28 * "0"


@pytest.fixture
def submitted(client: TestClient, submission: Callable[..., Json]) -> Callable[[], Json]:
    return lambda: client.post("/v1/jobs", json=submission()).json()


@pytest.fixture
def claimed(submitted: Callable[[], Json], leases: Leases) -> Callable[[], Claim]:
    def claim() -> Claim:
        claim = leases.claim(submitted()["id"], worker="w")
        assert claim
        return claim

    return claim


def at(claim: Claim) -> str:
    return f"/v1/jobs/{claim.job.id}"


def listed(page: Json) -> list[str]:
    return [job["id"] for job in page["data"]]


def test_a_queued_job_s_place_is_told(client: TestClient, submitted: Callable[[], Json]) -> None:
    first, second = (client.get(f"{submitted()['links']['self']}/queue").json() for _ in range(2))

    assert (first["position"], first["queued"]) == (1, 1)
    assert (second["position"], second["queued"], second["running"]) == (2, 2, 0)
    assert second["unattended_seconds"] >= 0
    assert client.get(f"{UNKNOWN}/queue").status_code == 404


def test_an_unchanged_job_is_not_sent_twice(client: TestClient, submitted: Callable[[], Json]) -> None:
    here = submitted()["links"]["self"]
    etag = client.get(here).headers["ETag"]

    again = client.get(here, headers={"If-None-Match": f'"other", W/{etag}'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    assert again.headers["Retry-After"]


def test_a_job_that_changed_is_sent_under_a_new_etag(
    client: TestClient, claimed: Callable[[], Claim], leases: Leases
) -> None:
    claim = claimed()
    etag = client.get(at(claim)).headers["ETag"]
    progress = {"phase": "pruning", "round": 3, "rounds": 12, "fraction": 0.25}
    leases.heartbeat(claim, progress=progress)

    changed = client.get(at(claim), headers={"If-None-Match": etag})

    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    unknown = dict.fromkeys(("phase_fraction", "samples_per_second", "eta_seconds"))
    assert changed.json()["progress"] == progress | unknown


@pytest.mark.parametrize("path", ["", "/events", "/manifest", "/decisions"])
@pytest.mark.parametrize("job", [UNKNOWN, "/v1/jobs/1", "/v1/jobs/job_%00", "/v1/jobs/job_" + 28 * "G"])
def test_an_unknown_job_is_not_found(client: TestClient, job: str, path: str) -> None:
    answer = client.get(job + path)

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


@on_both_databases
def test_an_id_with_unusual_characters_is_not_found(client: TestClient) -> None:
    answer = client.get("/v1/jobs/job_%00")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_an_unknown_job_cannot_be_cancelled(client: TestClient) -> None:
    answer = client.post(UNKNOWN + "/cancel")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@on_both_databases
def test_pages_lead_from_the_newest_job_to_the_oldest(client: TestClient, submitted: Callable[[], Json]) -> None:
    ids = {submitted()["id"] for _ in range(5)}

    first = client.get("/v1/jobs", params={"limit": 2}).json()
    second = client.get("/v1/jobs", params={"limit": 2, "after": first["next"]}).json()
    third = client.get("/v1/jobs", params={"limit": 2, "after": second["next"]}).json()

    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next"] is None
    pages = listed(first) + listed(second) + listed(third)
    assert len(pages) == 5
    assert set(pages) == ids
    times = [job["created_at"] for page in (first, second, third) for job in page["data"]]
    assert times == sorted(times, reverse=True)


def test_a_full_last_page_has_no_next(client: TestClient, submitted: Callable[[], Json]) -> None:
    for _ in range(2):
        submitted()

    page = client.get("/v1/jobs", params={"limit": 2}).json()

    assert (len(page["data"]), page["has_more"], page["next"]) == (2, False, None)


def test_jobs_are_listed_by_one_status_or_several(
    client: TestClient, submitted: Callable[[], Json], claimed: Callable[[], Claim]
) -> None:
    running, queued, cancelled = claimed().job.id, submitted()["id"], submitted()["id"]
    client.post(f"/v1/jobs/{cancelled}/cancel")

    one = client.get("/v1/jobs?status=running").json()
    two = client.get("/v1/jobs?status=queued&status=cancelled").json()

    assert listed(one) == [running]
    assert set(listed(two)) == {queued, cancelled}


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "invalid_request", "limit"),
        ("limit=101", "invalid_request", "limit"),
        ("limit=few", "invalid_request", "limit"),
        ("status=done", "invalid_request", "status"),
        ("after=yesterday", "invalid_request", "after"),
        ("after=job_" + 28 * "0", "unknown_cursor", "after"),
        ("order=oldest", "invalid_request", "order"),
    ],
)
def test_an_invalid_page_is_refused(client: TestClient, query: str, code: str, field: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert {error["field"] for error in problem["errors"]} == {field}


@on_both_databases
def test_a_queued_job_is_cancelled_at_once_and_cancelling_is_idempotent(
    client: TestClient, submitted: Callable[[], Json]
) -> None:
    cancel = submitted()["links"]["cancel"]

    first, second = client.post(cancel), client.post(cancel)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == "cancelled"
    assert second.json() == first.json()
    assert "Retry-After" not in first.headers


def test_a_running_job_is_cancelling_until_its_worker_has_stopped(
    client: TestClient, claimed: Callable[[], Claim], leases: Leases
) -> None:
    claim = claimed()

    asked, again = client.post(at(claim) + "/cancel"), client.post(at(claim) + "/cancel")
    leases.mark_cancelled(claim)

    assert (asked.json()["status"], again.json()["status"]) == ("cancelling", "cancelling")
    assert client.get(at(claim)).json()["status"] == "cancelled"


@pytest.mark.parametrize("ended", [False, True])
def test_a_finalizing_or_ended_job_cannot_be_cancelled(
    client: TestClient, claimed: Callable[[], Claim], leases: Leases, ended: bool
) -> None:
    claim = claimed()
    leases.begin_finalizing(claim)
    if ended:
        leases.finish(claim, published=[], result={})

    answer = client.post(at(claim) + "/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancellable")
    assert f"is {'succeeded' if ended else 'finalizing'}" in answer.json()["detail"]


def test_events_are_read_page_by_page_and_the_last_cursor_stays_valid(
    client: TestClient, claimed: Callable[[], Claim], leases: Leases
) -> None:
    claim = claimed()
    leases.heartbeat(claim, new_events=[("job.round", {"round": 1}), ("job.round", {"round": 2})])

    first = client.get(at(claim) + "/events?limit=3").json()
    second = client.get(at(claim) + "/events", params={"after": first["next"]}).json()
    nothing_new = client.get(at(claim) + "/events", params={"after": second["next"]}).json()

    story = [(event["sequence"], event["type"]) for event in first["data"] + second["data"]]
    assert story == [(1, "job.queued"), (2, "job.running"), (3, "job.round"), (4, "job.round")]
    assert second["data"][0]["data"] == {"round": 2}
    assert [page["has_more"] for page in (first, second, nothing_new)] == [True, False, False]
    assert (nothing_new["data"], nothing_new["next"]) == ([], 4)


@pytest.mark.parametrize("query", ["after=-1", f"after={2**53}", "after=x", "limit=0", "limit=101", "since=1"])
def test_an_invalid_page_of_events_is_refused(client: TestClient, submitted: Callable[[], Json], query: str) -> None:
    answer = client.get(f"{submitted()['links']['events']}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/jobs/", 404, "not_found"),
        ("GET", UNKNOWN + "/summary", 404, "not_found"),
        ("DELETE", "/v1/jobs", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_an_unknown_path_is_answered_with_a_problem(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert f"{method} {path}" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "allowed"), [("/v1/jobs", "GET, POST"), ("/healthz", "GET"), (UNKNOWN + "/manifest", "GET, HEAD")]
)
def test_a_method_that_is_not_allowed_is_answered_with_those_that_are(
    client: TestClient, path: str, allowed: str
) -> None:
    answer = client.delete(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
