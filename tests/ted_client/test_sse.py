"""Following a job's events through everything that can break."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ted_client import ClientError, RetryPolicy, ServiceUnreachable, TedApiError, sse
from ted_client.errors import NotATedService
from ted_client.sse import SseDecoder
from ted_jobs.jobs.leases import Claim, Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.service.processes import ApiProcess, api_process
from tests.ted_client.scripted import Answer, Make, breaks, problem, says, serving
from tests.ted_jobs.conftest import SPEC, SUMMARY

AT_ONCE = RetryPolicy(jitter=lambda: 0.0)
JOB = "job_1"


@pytest.fixture
def api(settings: Settings, engine: object, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(settings, log=tmp_path / "api.log") as api:
        yield api


@pytest.fixture
def claim(store: JobStore, leases: Leases) -> Claim:
    claim = leases.claim(store.submit(SPEC, SUMMARY, tenant="default").job.id, worker="w")
    assert claim
    return claim


def event(sequence: int, type: str = "job.round") -> bytes:  # noqa: A002 - the field's name
    return b'id: %d\nevent: %s\ndata: {"sequence": %d, "type": "%s"}\n\n' % (
        sequence,
        type.encode(),
        sequence,
        type.encode(),
    )


def streams(*chunks: bytes, breaking: bool = False) -> Answer:
    """A stream of these bytes, which ends well unless it is to break."""

    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        if breaking:
            to.send_header("Content-Length", "100000")
        to.end_headers()
        to.wfile.write(b"retry: 2000\n\n")
        for chunk in chunks:
            to.wfile.write(chunk)

    return answer


def test_a_job_is_followed_to_its_end_even_if_the_api_is_killed(
    connect: Make, api: ApiProcess, claim: Claim, leases: Leases
) -> None:
    def happens(*numbers: int) -> None:
        leases.heartbeat(claim, progress={}, new_events=[("job.round", {"round": number}) for number in numbers])

    happens(1, 2)
    heard: list[int] = []
    starting = threading.Thread(target=api.start)
    for last in connect(api.url).follow(claim.job.id):
        heard.append(last["sequence"])
        if heard[-1] == 4:
            api.kill()
            happens(3, 4)
            starting.start()
        if heard[-1] == 6:
            leases.begin_finalizing(claim)
            leases.finish(claim, published=[], result={})
    starting.join()

    assert heard == list(range(1, 9))
    assert last["type"] == "job.succeeded"


def test_an_interrupted_stream_is_resumed_after_the_last_event(connect: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "REOPENING_SECONDS", 0.01)
    answers = [
        streams(event(1), event(2)[:20], breaking=True),
        problem(503, "database_unavailable"),
        breaks,
        streams(event(2), b":\n\n", b"event: progress\ndata: {}\n\n"),
        streams(event(3), event(4, "job.failed")),
    ]

    with serving(*answers) as script:
        heard = [seen["sequence"] for seen in connect(script.url, retry=AT_ONCE).follow(JOB)]

    assert heard == [1, 2, 3, 4]
    assert [request.headers.get("Last-Event-ID") for request in script.requests] == [None, "1", "1", "1", "2"]


def test_following_from_the_last_event_yields_nothing(connect: Make) -> None:
    with serving(says(204)) as script:
        assert list(connect(script.url).follow(JOB, after=7)) == []

    assert script.requests[0].headers["Last-Event-ID"] == "7"


def test_following_an_unknown_job_raises_an_api_error(connect: Make) -> None:
    with serving(problem(404, "job_not_found")) as script, pytest.raises(TedApiError, match="job_not_found"):
        list(connect(script.url).follow(JOB))


def test_a_response_that_is_no_stream_raises_a_client_error(connect: Make) -> None:
    with serving(says(200, {"data": []}, Content_Type="application/json")) as script, pytest.raises(ClientError):
        list(connect(script.url).follow(JOB))

    assert len(script.requests) == 1


def test_following_fails_if_the_service_does_not_come_back(connect: Make) -> None:
    with serving(streams(event(1), breaking=True), breaks) as script, pytest.raises(ServiceUnreachable):
        for _ in connect(script.url, retry=RetryPolicy(0.3, jitter=lambda: 0.1)).follow(JOB):
            pass

    assert len(script.requests) > 1


def test_a_listener_may_stop_before_the_end(connect: Make) -> None:
    with serving(streams(event(1), event(2), breaking=True)) as script:
        following = connect(script.url).follow(JOB)
        assert next(following)["sequence"] == 1
        following.close()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_decoded_from_chunks_of_any_size(size: int) -> None:
    text = b"retry: 2000\n\n:\n\n" + event(1) + b"event: progress\ndata: {}\n\n" + event(2).replace(b"\n", b"\r\n")
    stream = SseDecoder()

    pieces = [text[start : start + size] for start in range(0, len(text), size)]

    assert [seen["sequence"] for piece in pieces for seen in stream.feed(piece)] == [1, 2]


# --- a stream of somebody else's --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"no JSON", b"[1]", b"{}", b'{"sequence": "1", "type": "x"}', b"[" * 100_000, b"\xff"]
)
def test_an_event_that_is_none_of_ours_is_an_error_that_names_the_remedy(data: bytes) -> None:
    with pytest.raises(NotATedService, match="Check the URL"):
        list(SseDecoder().feed(b"id: 1\ndata: " + data + b"\n\n"))


def test_a_line_that_never_ends_is_refused_in_linear_time() -> None:
    decoder = SseDecoder()

    with pytest.raises(NotATedService, match="16,777,216 bytes"):
        for _ in range(20_000):
            list(decoder.feed(b"x" * 1000))


def test_an_event_may_arrive_in_any_bites() -> None:
    decoder = SseDecoder()

    stream = event(1) + event(2).replace(b"\n", b"\r\n")
    arrived = [facts["sequence"] for byte in stream for facts in decoder.feed(bytes([byte]))]

    assert arrived == [1, 2]
