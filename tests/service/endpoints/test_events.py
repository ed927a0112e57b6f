"""Listening to a job: nothing lost, nothing twice, whoever is killed, late, slow, or many."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from service.http import event_stream
from service.http.event_stream import EventStreams, JobChannel
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.changes import JobChanges
from ted_jobs.jobs.deletion import delete_ended_job
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.models import Event
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.service.conftest import Json, on_both_databases
from tests.service.processes import ApiProcess, api_process
from tests.ted_jobs.conftest import SPEC, SUMMARY

STREAM = {"Accept": "text/event-stream"}
NOON = datetime(2026, 1, 31, tzinfo=UTC)
PROGRESS = {"phase": "pruning", "round": 3, "rounds": 12, "fraction": 0.25}
LISTENERS = 200


@dataclass(frozen=True)
class Heard:
    """One event as a client parses it."""

    type: str
    id: int | None
    data: Json


def parsed(lines: Iterator[str]) -> Iterator[Heard]:
    """The events in the lines of a stream."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield Heard(fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"]))
        fields = {}


@pytest.fixture
def claim(store: JobStore, leases: Leases) -> Claim:
    claim = leases.claim(store.submit(SPEC, SUMMARY, tenant="default").job.id, worker="w")
    assert claim
    return claim


@pytest.fixture
def api(settings: Settings, engine: object, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(settings, log=tmp_path / "api.log") as api:
        yield api


def events_of(claim: Claim) -> str:
    return f"/v1/jobs/{claim.job.id}/events"


def rounds(leases: Leases, claim: Claim, numbers: range) -> None:
    leases.heartbeat(claim, progress=PROGRESS, new_events=[("job.round", {"round": number}) for number in numbers])


def finish(leases: Leases, claim: Claim) -> None:
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[], result={})


@on_both_databases
def test_the_stream_of_an_ended_job_resumes_and_reaches_the_last_event(
    client: TestClient, claim: Claim, leases: Leases
) -> None:
    rounds(leases, claim, range(300))
    finish(leases, claim)

    whole = client.get(events_of(claim), headers=STREAM)
    by_header = client.get(events_of(claim) + "?after=1", headers=STREAM | {"Last-Event-ID": "302"})
    by_query = client.get(events_of(claim) + "?after=303", headers=STREAM)

    assert whole.headers["Content-Type"].startswith("text/event-stream")
    assert (whole.headers["Vary"], whole.headers["Cache-Control"]) == ("Accept", "no-store")
    assert whole.text.startswith("retry: 2000\n\n")
    stored = [one for one in parsed(iter(whole.text.split("\n"))) if one.id]
    assert [one.id for one in stored] == list(range(1, 305))
    assert (stored[0].type, stored[-1].type) == ("job.queued", "job.succeeded")
    assert stored[2].data == client.get(events_of(claim) + "?after=2&limit=1").json()["data"][0]
    assert [one.id for one in parsed(iter(by_header.text.split("\n"))) if one.id] == [303, 304]
    assert [one.id for one in parsed(iter(by_query.text.split("\n"))) if one.id] == [304]


@pytest.mark.parametrize("last", ["4", "5", str(2**53 - 1)])
def test_a_client_that_has_the_last_event_is_told_not_to_reconnect(
    client: TestClient, claim: Claim, leases: Leases, last: str
) -> None:
    finish(leases, claim)

    answer = client.get(events_of(claim), headers=STREAM | {"Last-Event-ID": last})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("last", ["-1", "x", "1.5", str(2**53), "1\r\nid: 7"])
def test_an_invalid_last_event_id_is_refused(client: TestClient, claim: Claim, last: str) -> None:
    answer = client.get(events_of(claim), headers=STREAM | {"Last-Event-ID": last})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["Last-Event-ID"]


def test_events_are_sent_as_json_unless_a_stream_is_requested(client: TestClient, claim: Claim) -> None:
    for accept in ("*/*", "application/json, text/event-stream", "text/html"):
        answer = client.get(events_of(claim), headers={"Accept": accept})

        assert (answer.headers["Content-Type"], answer.headers["Vary"]) == ("application/json", "Accept")


def test_another_tenants_job_cannot_be_streamed(client: TestClient, store: JobStore) -> None:
    job = store.submit(SPEC, SUMMARY, tenant="theirs").job

    answer = client.get(f"/v1/jobs/{job.id}/events", headers=STREAM)

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_no_event_is_lost_or_repeated_when_the_api_is_killed(api: ApiProcess, claim: Claim, leases: Leases) -> None:
    def listen(*, last: int) -> Iterator[Heard]:
        headers = STREAM | ({"Last-Event-ID": str(last)} if last else {})
        with httpx.stream("GET", api.url + events_of(claim), headers=headers, timeout=30) as stream:
            yield from parsed(stream.iter_lines())

    rounds(leases, claim, range(5))
    heard: list[Heard] = []
    with pytest.raises(httpx.TransportError):
        for one in listen(last=0):
            heard.append(one)
            if one.id == 7:
                rounds(leases, claim, range(5, 10))
            if one.id == 12:
                api.kill()
    rounds(leases, claim, range(10, 15))
    api.start()
    for one in listen(last=max(one.id for one in heard if one.id)):
        heard.append(one)
        if one.id == 17:
            finish(leases, claim)

    assert [one.id for one in heard if one.id] == list(range(1, 20))
    assert heard[-1].type == "job.succeeded"
    progress = [one for one in heard if one.type == "progress"]
    assert progress
    assert all(one.data.items() >= PROGRESS.items() and one.id is None for one in progress)


def test_two_hundred_listeners_receive_every_event_while_others_are_served(
    api: ApiProcess, claim: Claim, leases: Leases, submission: Callable[..., Json]
) -> None:
    async def listener(client: httpx.AsyncClient) -> list[int]:
        async with client.stream("GET", events_of(claim), headers=STREAM) as stream:
            lines = [line async for line in stream.aiter_lines()]
        return [one.id for one in parsed(iter(lines)) if one.id]

    async def story() -> tuple[list[list[int]], list[float]]:
        limits = httpx.Limits(max_connections=LISTENERS + 10)
        async with (
            httpx.AsyncClient(base_url=api.url, timeout=120, limits=limits) as crowd,
            httpx.AsyncClient(base_url=api.url, timeout=120) as other,
        ):
            listeners = [asyncio.ensure_future(listener(crowd)) for _ in range(LISTENERS)]
            await asyncio.sleep(5)
            seconds = []
            for number in range(10):
                await asyncio.to_thread(rounds, leases, claim, range(number, number + 3))
                began = time.monotonic()
                (await other.post("/v1/jobs", json=submission())).raise_for_status()
                (await other.get("/v1/jobs?limit=1")).raise_for_status()
                seconds.append(time.monotonic() - began)
                await asyncio.sleep(0.2)
            await asyncio.to_thread(finish, leases, claim)
            return await asyncio.gather(*listeners), seconds

    heard, seconds = asyncio.run(story())

    assert heard == LISTENERS * [list(range(1, 35))]
    assert sorted(seconds)[len(seconds) // 2] < 2


def test_open_streams_do_not_delay_shutdown(api: ApiProcess, claim: Claim) -> None:
    with httpx.stream("GET", api.url + events_of(claim), headers=STREAM, timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        began = time.monotonic()
        api.process.terminate()

        assert [one.id for one in parsed(lines) if one.id] in ([], [1, 2])
    assert api.process.wait(10) == 0
    assert time.monotonic() - began < 9  # less than the grace period


# --- in this process --------------------------------------------------------------------------------------------------


def told(first: int, last: int, status: JobStatus = JobStatus.RUNNING) -> JobChanges:
    events = [Event("job", number, "job.round", {}, NOON) for number in range(first, last + 1)]
    return JobChanges(status, last, last, None, events)


def test_the_window_of_a_channel_is_bounded_and_slow_listeners_read_the_database() -> None:
    async def story() -> None:
        topic = JobChannel()
        assert topic.frames_after(0) is None

        topic.update(JobChanges(JobStatus.RUNNING, 1, 1, None, []))
        for number in range(2, 10_001):
            topic.update(told(number, number))

        assert len(topic.window) == event_stream.WINDOW
        assert topic.frames_after(5_000) is None
        assert [frame.sequence for frame in topic.frames_after(9_998) or ()] == [9_999, 10_000]
        assert topic.frames_after(10_000) == []
        topic.update(told(10_100, 10_163))  # more than a window has been missed
        assert topic.frames_after(10_000) is None
        assert [frame.sequence for frame in topic.frames_after(10_162) or ()] == [10_163]

    asyncio.run(story())


def test_a_slow_listener_takes_no_memory_and_misses_nothing(
    store: JobStore, leases: Leases, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.02)

    def read(after: int) -> list[Event]:
        return store.events(claim.job.id, tenant="default", after=after, limit=100)

    async def story() -> tuple[str, EventStreams]:
        streams = EventStreams(store.engine)
        slow = streams.listen(claim.job.id, after=0, read=read)
        text = (await anext(slow)) + (await anext(slow))
        topic = streams.channels[claim.job.id]
        for number in range(20):
            rounds(leases, claim, range(50 * number, 50 * number + 50))
            await asyncio.sleep(0.03)
        finish(leases, claim)
        assert len(topic.window) <= event_stream.WINDOW
        async for chunk in slow:
            text += chunk
        await asyncio.sleep(0.1)
        assert streams.channels == {}  # and nobody is asked for
        assert streams._poller and streams._poller.done()
        return text.decode(), streams

    text, _ = asyncio.run(story())

    assert [one.id for one in parsed(iter(text.split("\n"))) if one.id] == list(range(1, 1005))


def test_a_silent_stream_gets_heartbeats_and_ends_when_its_job_is_deleted(
    store: JobStore, leases: Leases, claim: Claim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.1)

    async def story() -> list[bytes]:
        streams = EventStreams(store.engine)
        listening = streams.listen(
            claim.job.id,
            after=2**40,
            read=lambda after: store.events(claim.job.id, tenant="default", after=after, limit=9),
        )
        heard = [await anext(listening), await anext(listening)]
        finish(leases, claim)
        delete_ended_job(store.engine, ArtifactStore(tmp_path), claim.job.id, tenant="default")
        heard += [chunk async for chunk in listening]
        await streams.aclose()
        return heard

    heard = asyncio.run(story())

    assert heard[:2] == [b"retry: 2000\n\n", b":\n\n"]
    assert set(heard[2:]) <= {b":\n\n"}
