"""Rows whose labels look wrong, over HTTP: page by page, as a file, and not before there is a list."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from ted_core.results.decisions import Decisions
from ted_core.results.manifest_writer import write_manifest
from ted_core.results.provenance import LabelNoise, Provenance
from ted_core.results.suspects import listing
from ted_core.results.suspects.listing import write_suspects
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.service.conftest import Json, on_both_databases
from tests.ted_core.results.decided import ROWS
from tests.ted_core.results.decided import decided as decided_rows
from tests.ted_core.results.decided import provenance as provenance_of
from tests.ted_jobs.successes import succeed

PARQUET = {"Accept": "application/vnd.apache.parquet"}
NOISE = LabelNoise(share=0.25, low=0.1, high=0.5, rows=2)
MARGIN = np.linspace(-1, -0.125, ROWS, dtype=np.float32)
SUSPECT = replace(decided_rows(), margin=MARGIN, suspicion=-MARGIN)
"""All eight rows look wrong, the first of them most."""
Succeeded = Callable[..., str]


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    data = tmp_path / "decided.npz"
    np.savez(data, x=np.zeros((ROWS, 1), np.float32), y=np.zeros(ROWS, np.int64))
    return provenance_of(data)


@pytest.fixture
def succeeded(
    client: TestClient,
    submission: Callable[..., Json],
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    provenance: Provenance,
) -> Succeeded:
    """The path of the list of a job that has succeeded with these decisions, or without a list."""

    def path(found: Decisions | None = SUSPECT, *, noise: LabelNoise | None = NOISE, **sections: Any) -> str:
        job = client.post("/v1/jobs", json=submission(**sections)).json()
        files = {}
        if found:
            metadata = write_manifest(tmp_path / "out", found, provenance=provenance).metadata
            files = {"suspects": write_suspects(tmp_path / "out", found, accuracy=None, metadata=metadata)}
        result = {"label_noise": noise and noise.model_dump()}
        succeed(job["id"], files, leases=leases, artifacts=settings.artifacts, result=result)
        return str(job["links"]["suspects"])

    return path


@on_both_databases
def test_pages_lead_through_the_whole_list(
    client: TestClient, succeeded: Succeeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ROWS_PER_GROUP", 2)
    path = succeeded()

    pages, after = [], 0
    while after is not None:
        pages.append(client.get(path, params={"limit": 3, "after": after}).json())
        after = pages[-1]["next"]

    assert [[row["row_index"] for row in page["data"]] for page in pages] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [row["rank"] for page in pages for row in page["data"]] == list(range(1, ROWS + 1))
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert all(page["label_noise"] == NOISE.model_dump() and page["note"] is None for page in pages)


def test_a_row_says_what_it_is_and_how_suspicious(client: TestClient, succeeded: Succeeded) -> None:
    path = succeeded(replace(SUSPECT, likeliest=np.full(ROWS, 1, np.int32)))

    answer = client.get(path)

    schema = {
        "$ref": "#/components/schemas/SuspectList",
        "components": client.get("/openapi.json").json()["components"],
    }
    Draft202012Validator(schema).validate(answer.json())
    first = answer.json()["data"][0]
    assert first == {
        "rank": 1,
        "row_index": 0,
        "sample_key": "row-0",
        "label": "cat",
        "likeliest": "dog",
        "suspicion": 1.0,
        "margin": -1.0,
        "kept": False,
    }
    assert answer.headers["Vary"] == "Accept"


def test_beyond_the_end_there_is_an_empty_last_page(client: TestClient, succeeded: Succeeded) -> None:
    page = client.get(succeeded(), params={"after": 2**52}).json()

    assert (page["data"], page["has_more"], page["next"]) == ([], False, None)


def test_the_list_is_also_a_file_with_digest_and_ranges(
    client: TestClient, succeeded: Succeeded, tmp_path: Path
) -> None:
    path = succeeded()

    whole = client.get(path, headers=PARQUET)
    part = client.get(path, headers=PARQUET | {"Range": "bytes=4-9"})
    again = client.get(path, headers=PARQUET | {"If-None-Match": whole.headers["ETag"]})

    (tmp_path / "got.parquet").write_bytes(whole.content)
    assert pq.read_table(tmp_path / "got.parquet")["row_index"].to_pylist() == list(range(ROWS))
    assert whole.headers["Content-Type"] == PARQUET["Accept"]
    assert "-suspects.parquet" in whole.headers["Content-Disposition"]
    assert (part.status_code, part.content, again.status_code) == (206, whole.content[4:10], 304)
    assert whole.headers["Vary"] == "Accept"


def test_an_empty_list_says_why_there_is_no_estimate(client: TestClient, succeeded: Succeeded) -> None:
    path = succeeded(decided_rows(), noise=None, plan={"method": "random"})

    page = client.get(path).json()

    assert (page["data"], page["label_noise"]) == ([], None)
    assert "Method random does not ask models" in page["note"]


@on_both_databases
def test_there_is_no_list_before_the_job_has_succeeded(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission()).json()

    answers = [client.get(job["links"]["suspects"], headers=headers) for headers in ({}, PARQUET)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "artifact_not_ready")] * 2


def test_a_job_of_an_earlier_version_says_that_it_has_no_list(client: TestClient, succeeded: Succeeded) -> None:
    answer = client.get(succeeded(None))

    assert (answer.status_code, answer.json()["code"]) == (404, "no_suspects")
    assert "submit it again" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-1", "after=x", "offset=3"])
def test_an_invalid_page_is_refused(client: TestClient, succeeded: Succeeded, query: str) -> None:
    answer = client.get(f"{succeeded()}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("headers", [{}, PARQUET], ids=["page", "file"])
def test_a_damaged_list_is_lost(
    client: TestClient, succeeded: Succeeded, settings: Settings, headers: dict[str, str]
) -> None:
    path = succeeded()
    (file,) = settings.artifacts.rglob("suspects.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with capture_logs():
        answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (410, "artifact_lost")


def test_the_list_is_deleted_with_its_job(client: TestClient, succeeded: Succeeded, settings: Settings) -> None:
    path = succeeded()

    assert client.delete(path.removesuffix("/suspects")).status_code == 204

    assert client.get(path).status_code == 404
    assert not list(settings.artifacts.rglob("suspects.parquet"))
