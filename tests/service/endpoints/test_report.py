"""The report over HTTP: JSON for programs, a page for people, and neither before there is one."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from ted_core.results import report_builder
from ted_core.results.report import Report
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.reports import a_report, of_random_rows
from tests.service.conftest import Json, documented_operations, on_both_databases
from tests.ted_jobs.successes import succeed

PAGE = {"Accept": "text/html"}
Succeeded = Callable[..., str]


@pytest.fixture
def succeeded(
    client: TestClient, submission: Callable[..., Json], leases: Leases, settings: Settings, tmp_path: Path
) -> Succeeded:
    """The path of the report of a job that has succeeded with this one, or with none."""

    def path(report: Report | None) -> str:
        job = client.post("/v1/jobs", json=submission()).json()
        files = {"report": report_builder.write_report(tmp_path, report)} if report else {}
        succeed(job["id"], files, leases=leases, artifacts=settings.artifacts)
        return str(job["links"]["report"])

    return path


@on_both_databases
def test_the_report_comes_as_json_with_its_digest(client: TestClient, succeeded: Succeeded) -> None:
    path = succeeded(a_report())

    answer = client.get(path)

    digest = hashlib.sha256(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert Report.model_validate_json(answer.content) == a_report()
    assert answer.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert answer.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("report", [a_report(), of_random_rows()], ids=["ted", "random"])
def test_the_json_matches_the_openapi_document(client: TestClient, succeeded: Succeeded, report: Report) -> None:
    document = client.get("/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Report", "components": document["components"]}

    answer = client.get(succeeded(report))

    Draft202012Validator(schema).validate(answer.json())
    documented = documented_operations()["/v1/jobs/{job_id}/report"]["get"]["responses"]["200"]
    assert set(documented["content"]) == {"application/json", "text/html"}
    assert all(name in answer.headers for name in documented["headers"])


def test_no_number_of_the_report_is_nan(client: TestClient, succeeded: Succeeded) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    answer = client.get(succeeded(of_random_rows()))

    assert json.loads(answer.content, parse_constant=refuse)["scores"] == {
        "edges": [],
        "kept": [],
        "pruned": [],
        "reasons": {},
    }


def test_a_browser_gets_a_page_that_may_load_and_run_nothing(client: TestClient, succeeded: Succeeded) -> None:
    path = succeeded(a_report())

    answer = client.get(path, headers=PAGE)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "60 of 100 rows retained" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{path.split("/")[3]}-report.html"'


@pytest.mark.parametrize("form", [{}, PAGE], ids=["json", "html"])
def test_a_report_with_a_matching_etag_is_not_sent_again(
    client: TestClient, succeeded: Succeeded, form: dict[str, str]
) -> None:
    path = succeeded(a_report())
    known = client.get(path, headers=form).headers["ETag"]

    answer = client.get(path, headers=form | {"If-None-Match": known})

    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer.headers["ETag"], answer.headers["Vary"]) == (known, "Accept")


def test_the_etag_of_one_media_type_does_not_match_the_other(client: TestClient, succeeded: Succeeded) -> None:
    path = succeeded(a_report())
    known = client.get(path).headers["ETag"]

    answer = client.get(path, headers=PAGE | {"If-None-Match": known})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != known


@on_both_databases
@pytest.mark.parametrize("form", [{}, PAGE], ids=["json", "html"])
def test_there_is_no_report_before_success(
    client: TestClient, submission: Callable[..., Json], form: dict[str, str]
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()

    answer = client.get(job["links"]["report"], headers=form)

    assert (answer.status_code, answer.json()["code"]) == (409, "artifact_not_ready")
    assert "is queued" in answer.json()["detail"]


def test_a_succeeded_job_without_a_report_is_not_found_rather_than_not_ready(
    client: TestClient, succeeded: Succeeded
) -> None:
    answer = client.get(succeeded(None))

    assert (answer.status_code, answer.json()["code"]) == (404, "no_report")
    assert "submit it again" in answer.json()["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("job_id", ["job_" + 28 * "0", "nonsense", "job_" + 28 * "0" + "%00"])
def test_a_job_that_is_not_there_has_no_report(client: TestClient, job_id: str) -> None:
    answer = client.get(f"/v1/jobs/{job_id}/report")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("form", [{}, PAGE], ids=["json", "html"])
def test_a_damaged_report_is_not_shown(
    client: TestClient, succeeded: Succeeded, settings: Settings, form: dict[str, str]
) -> None:
    path = succeeded(a_report())
    (file,) = settings.artifacts.rglob("report.json")
    file.write_bytes(file.read_bytes().replace(b"rows", b"crow"))

    with capture_logs():
        answer = client.get(path, headers=form)

    assert (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")


@pytest.mark.parametrize("form", [{}, PAGE], ids=["json", "html"])
def test_a_report_that_is_gone_says_how_to_get_another(
    client: TestClient, succeeded: Succeeded, settings: Settings, form: dict[str, str]
) -> None:
    path = succeeded(a_report())
    next(settings.artifacts.rglob("report.json")).unlink()

    with capture_logs():
        answer = client.get(path, headers=form)

    assert (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")
    assert "/retry" in answer.json()["detail"]
