"""Answers that are held back until there is something to tell, and headers that mean harm."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from service.http.prefer_wait import preferred_wait
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.service.conftest import Json
from tests.service.processes import api_process


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("", None),
        ("wait=5", 5),
        ("wait=0", 0),
        ("wait=60", 60),
        ("wait=61", 60),
        ("wait=0000000000005", 5),
        (f"wait={5000 * '9'}", 60),
        ('wait="7"', 7),
        ("respond-async, WAIT = 5; foo=bar", 5),
        ("wait=5, wait=9", 5),
        ("wait=-1", None),
        ("wait=5.5", None),
        ("wait=five", None),
        ("wait", None),
        ("await=5", None),
        ("wait=٣", None),
        ('note="a, wait=5, b"', None),
        ('note="a\\", wait=5, b", wait=6', 6),
        ('wait=5, note="never closed, wait=6', 5),
        ('note="never closed, wait=5', None),
        (5000 * '"', None),
        (5000 * 'a="\\', None),
    ],
)
def test_a_prefer_header_is_parsed_or_ignored(prefer: str, seconds: int | None) -> None:
    assert preferred_wait(prefer) == seconds


def test_a_submission_is_answered_when_its_job_has_ended(
    client: TestClient, submission: Callable[..., Json], store: JobStore
) -> None:
    def cancel() -> None:
        until(lambda: store.jobs(tenant="default", limit=1))
        store.cancel(store.jobs(tenant="default", limit=1)[0].id, tenant="default")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cancel)
        answer = client.post("/v1/jobs", json=submission(), headers={"Prefer": "wait=55"})

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert answer.headers["Preference-Applied"] == "wait=55"
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert "Retry-After" not in answer.headers


def test_a_submission_is_answered_when_the_time_is_up(client: TestClient, submission: Callable[..., Json]) -> None:
    began = time.monotonic()

    answer = client.post("/v1/jobs", json=submission(), headers={"Prefer": "wait=1"})

    assert time.monotonic() - began >= 1
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert "Preference-Applied" not in client.post("/v1/jobs", json=submission()).headers


def test_a_retry_waits_as_well(client: TestClient, submission: Callable[..., Json]) -> None:
    job = client.post("/v1/jobs", json=submission()).json()
    client.post(job["links"]["cancel"])

    answer = client.post(job["links"]["retry"], headers={"Prefer": "wait=1, wait=999"})
    refused = client.post(job["links"]["retry"], headers={"Prefer": "wait=0"}, content=1_000_001 * b"x")

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
    assert refused.status_code == 413


def test_a_job_is_read_when_it_changes_or_the_time_is_up(
    client: TestClient, submission: Callable[..., Json], leases: Leases
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()
    here, etag = job["links"]["self"], client.get(job["links"]["self"]).headers["ETag"]

    unchanged = client.get(here, headers={"If-None-Match": etag, "Prefer": "wait=1"})
    at_once = client.get(here, headers={"Prefer": "wait=60"})
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: time.sleep(0.5) or leases.claim(job["id"], worker="w"))
        changed = client.get(here, headers={"If-None-Match": etag, "Prefer": "wait=60"})

    assert (unchanged.status_code, unchanged.headers["Preference-Applied"]) == (304, "wait=1")
    assert at_once.json()["status"] == "queued"
    assert (changed.status_code, changed.json()["status"]) == (200, "running")
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("header", ["Idempotency-Key", "Prefer", "If-None-Match", "Last-Event-ID", "Accept"])
@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Injected: yes", "a\nX-Injected: yes", "a\0X-Injected", "ä\xff", "\x7f\x1b[31m", 9000 * "9", '"', ""],
)
def test_a_malicious_prefer_header_is_harmless(
    client: TestClient, submission: Callable[..., Json], header: str, value: str
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()
    harmful = {header: value.encode("latin-1")}

    answers = [
        client.post("/v1/jobs", json=submission(), headers=harmful),
        client.get(job["links"]["self"], headers=harmful),
        client.get(job["links"]["events"], headers=harmful),
    ]

    for answer in answers:
        assert answer.status_code in (200, 202, 422)
        assert "X-Injected" not in answer.headers
        assert not any("X-Injected" in sent or "\x1b" in sent for sent in answer.headers.values())


def test_many_waiting_clients_do_not_delay_others(
    settings: Settings, store: JobStore, submission: Callable[..., Json], tmp_path: Path
) -> None:
    async def crowd(url: str) -> tuple[list[str], float]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=url, timeout=90, limits=limits) as client:
            waiting = [client.post("/v1/jobs", json=submission(), headers={"Prefer": "wait=60"}) for _ in range(80)]
            tasks = [asyncio.ensure_future(one) for one in waiting]
            while len(store.jobs(tenant="default", limit=100)) < len(tasks):
                await asyncio.sleep(0.1)
            began = time.monotonic()
            (await client.get("/v1/jobs?limit=1")).raise_for_status()
            took = time.monotonic() - began
            for job in store.jobs(tenant="default", limit=100):
                await asyncio.to_thread(store.cancel, job.id, tenant="default")
            return [answer.json()["status"] for answer in await asyncio.gather(*tasks)], took

    with api_process(settings, log=tmp_path / "api.log") as api:
        statuses, took = asyncio.run(crowd(api.url))

    assert statuses == 80 * ["cancelled"]
    assert took < 5


def test_waiting_clients_are_answered_when_the_service_shuts_down(
    settings: Settings, store: JobStore, submission: Callable[..., Json], tmp_path: Path
) -> None:
    with api_process(settings, log=tmp_path / "api.log") as api, ThreadPoolExecutor(1) as pool:
        held = pool.submit(
            httpx.post, f"{api.url}/v1/jobs", json=submission(), headers={"Prefer": "wait=60"}, timeout=90
        )
        until(lambda: store.jobs(tenant="default", limit=1))
        began = time.monotonic()
        api.process.terminate()

        assert held.result(30).json()["status"] == "queued"
        assert api.process.wait(10) == 0
        assert time.monotonic() - began < 9  # less than the grace period
