"""Clients find their service, take paths, and their jobs do what clients do."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import ted_client
from ted_client import AsyncClient, Client
from ted_client.connection import CONNECTION_FILE, service_address
from ted_client.errors import ServiceUnreachable
from ted_client.job import JobSnapshot


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TED_URL", "TED_API_KEY", "TED_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def running_in(home: Path) -> str:
    home.mkdir(parents=True)
    (home / CONNECTION_FILE).write_text(json.dumps({"url": "http://own", "key": "ted_own", "pid": 1}))
    return str(home)


def test_variables_name_the_service_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TED_URL", "http://team")
    monkeypatch.setenv("TED_API_KEY", "ted_mine")

    assert service_address() == ("http://team", "ted_mine")
    assert service_address("http://other", key="ted_other") == ("http://other", "ted_other")
    assert Client().url == "http://team"
    assert AsyncClient().url == "http://team"


def test_without_variables_it_is_the_one_that_runs_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ServiceUnreachable, match="ted up"):
        Client()

    running_in(tmp_path / ".ted")

    assert service_address() == ("http://own", "ted_own")
    monkeypatch.setenv("TED_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(ServiceUnreachable):
        Client()


def test_a_home_that_is_given_counts_more_than_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TED_URL", "http://team")

    assert Client.from_home(running_in(tmp_path / "home")).url == "http://own"


def test_a_service_at_a_given_url_does_not_get_the_key_of_the_one_that_runs_here(tmp_path: Path) -> None:
    running_in(tmp_path / ".ted")

    assert service_address("http://other") == ("http://other", None)


JOB = {"id": "job_1", "status": "succeeded", "progress": None, "result": None, "error": None, "status_reason": None}


def answer(request: httpx.Request) -> httpx.Response:
    page = {"data": [{"sequence": 1}], "has_more": False, "next": None}
    return httpx.Response(
        {"POST": 202, "DELETE": 204}.get(request.method, 200),
        json=page if request.url.path.endswith("events") else {**JOB, "asked": f"{request.method} {request.url.path}"},
    )


def test_a_path_in_a_request_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    sent: list[Any] = []

    def receive(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return answer(request)

    with Client("http://ted", transport=httpx.MockTransport(receive)) as client:
        client.submit({"dataset": {"uri": Path("train.csv"), "input": ["a"]}, "plan": {"keep_ratio": 0.5}})
        client.register_dataset("digits", {"uri": Path("/data/train.csv")})

    assert sent[0] == {"dataset": {"uri": str(tmp_path / "train.csv"), "input": ["a"]}, "plan": {"keep_ratio": 0.5}}
    assert sent[1] == {"uri": "/data/train.csv", "name": "digits"}


def test_a_job_can_be_asked_for_more() -> None:
    with Client("http://ted", transport=httpx.MockTransport(answer)) as client:
        job = client.job("job_1")

        assert job.report()["asked"] == "GET /v1/jobs/job_1/report"
        assert job.retry().facts["asked"] == "POST /v1/jobs/job_1/retry"
        assert list(job.events()) == [{"sequence": 1}]
        assert job.delete() is None


def test_an_asynchronous_job_can_be_asked_for_the_same() -> None:
    async def ask() -> list[Any]:
        async with AsyncClient("http://ted", transport=httpx.MockTransport(answer)) as client:
            job = await client.job("job_1")
            report, retried = await job.report(), await job.retry()
            await job.delete()
            return [report["asked"], retried.facts["asked"], [event async for event in job.events()]]

    told = asyncio.run(ask())

    assert told == ["GET /v1/jobs/job_1/report", "POST /v1/jobs/job_1/retry", [{"sequence": 1}]]


def test_a_notebook_shows_a_job_and_no_markup_of_others() -> None:
    running = {**JOB, "status": "running", "progress": {"fraction": 0.5}, "metadata": {"name": "<script>"}}

    shown = JobSnapshot(running)._repr_html_()

    assert "<td>50%</td>" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_the_package_says_its_version() -> None:
    assert ted_client.__version__.count(".") == 2
