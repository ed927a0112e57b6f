"""What is asked again, when, for how long, and what never is."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from ted_client import ClientError, RetryPolicy, ServiceUnreachable, TedApiError
from ted_client.errors import retry_after
from ted_client.flow import Flow, FlowRunner, ReadChunk, Request, ResponseHead, SendRequest, Sleep
from ted_client.retry import ServiceConnection
from tests.ted_client.scripted import Answer, Make, Script, breaks, problem, says, serving

AT_ONCE = RetryPolicy(jitter=lambda: 0.0)
JOB = {"id": "job_1", "status": "queued"}
BUSY = problem(503, "database_unavailable")


class Clock:
    """Time passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pauses(call: Flow[Any], replies: Iterator[httpx.TransportError | tuple[int, bytes]], clock: Clock) -> list[float]:
    """The pauses of a call that meets these replies, until it ends or the replies do."""
    talk, found, content = FlowRunner(call), [], iter(())
    while talk.step:
        match talk.step:
            case SendRequest(_):
                reply = next(replies)
                if isinstance(reply, httpx.TransportError):
                    talk.throw(reply)
                    continue
                content = iter([reply[1]])
                talk.send(ResponseHead(reply[0], httpx.Headers(), "http://ted/v1/jobs"))
            case ReadChunk():
                talk.send(next(content, b""))
            case Sleep(seconds):
                found.append(seconds)
                clock.now += seconds
                talk.send(None)
    return found


def refused() -> Iterator[httpx.TransportError]:
    while True:
        yield httpx.ConnectError("refused")


def asking(clock: Clock, *, jitter: float = 1.0, seconds: float = 60.0) -> ServiceConnection:
    return ServiceConnection("http://ted", RetryPolicy(seconds, jitter=lambda: jitter, clock=clock))


def test_pauses_double_to_a_bound_and_end_within_the_patience() -> None:
    clock, found = Clock(), list[float]()

    with pytest.raises(ServiceUnreachable, match="http://ted does not answer"):
        found = pauses(asking(clock).send(Request("GET", "/v1/jobs")), refused(), clock)

    assert found == []
    assert 50 < clock.now < 60
    clock = Clock()
    replies = iter([httpx.ConnectError("refused")] * 7 + [(200, b"{}")])
    found = pauses(asking(clock).send(Request("GET", "/v1/jobs")), replies, clock)
    assert found == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_the_jitter_takes_any_part_of_a_pause() -> None:
    clock = Clock()
    replies = iter([httpx.ReadError("reset")] * 3 + [(200, b"{}")])

    found = pauses(asking(clock, jitter=0.25).send(Request("GET", "/v1/jobs")), replies, clock)

    assert found == [0.125, 0.25, 0.5]


def test_without_patience_a_service_is_asked_once(connect: Make) -> None:
    with serving(BUSY) as script, pytest.raises(TedApiError):
        connect(script.url, patience=RetryPolicy(seconds=0)).job("job_1")

    assert len(script.asked) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param([breaks], id="broken line"),
        pytest.param([BUSY, BUSY], id="503 twice"),
        pytest.param([says(502), says(504)], id="bad gateways"),
        pytest.param([problem(429, "too_many_requests", Retry_After="0")], id="too soon"),
        pytest.param([says(429, Retry_After="0")], id="too soon for something between"),
    ],
)
def test_trouble_that_passes_is_not_heard_of(connect: Make, trouble: list[Answer]) -> None:
    with serving(*trouble, says(200, JOB)) as script:
        job = connect(script.url, patience=AT_ONCE).job("job_1")

    assert job.id == "job_1"
    assert len(script.asked) == len(trouble) + 1


def test_retry_after_is_waited_for(connect: Make) -> None:
    with serving(problem(429, "too_many_requests", Retry_After="1"), says(200, JOB)) as script:
        client, began = connect(script.url, patience=AT_ONCE), time.monotonic()
        client.job("job_1")

    assert time.monotonic() - began >= 1


def test_a_longer_retry_after_than_the_patience_is_told_at_once(connect: Make) -> None:
    too_soon = problem(429, "too_many_requests", Retry_After="3600")
    with serving(too_soon) as script, pytest.raises(TedApiError) as refused:
        connect(script.url).job("job_1")

    assert (refused.value.retry_after, len(script.asked)) == (3600, 1)


def test_retry_after_may_be_a_date_and_nonsense_is_ignored() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    def seconds(said: str) -> float | None:
        return retry_after(httpx.Headers({"Retry-After": said}))

    assert 25 < (seconds(soon) or 0) <= 30
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [seconds(said) for said in ("7", "-1", "soon", "")] == [7, None, None, None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_what_another_try_will_not_change_is_told_at_once(connect: Make, status: int) -> None:
    with serving(problem(status, "refused")) as script, pytest.raises(TedApiError) as refused:
        connect(script.url).job("job_1")

    assert len(script.asked) == 1
    error = refused.value
    assert (error.status, error.code, error.detail, error.request_id) == (status, "refused", "It is refused.", "r1")


def test_a_full_queue_is_told_at_once(connect: Make) -> None:
    with serving(problem(429, "too_many_queued", Retry_After="15")) as script, pytest.raises(TedApiError):
        connect(script.url).submit({})

    assert len(script.asked) == 1


def test_a_submission_is_repeated_under_one_key(connect: Make) -> None:
    with serving(breaks, BUSY, says(202, JOB)) as script:
        connect(script.url, patience=AT_ONCE).submit({"plan": {}})

    keys = {asked.headers["Idempotency-Key"] for asked in script.asked}
    assert len(script.asked) == 3
    assert len(keys) == 1
    assert keys != {""}


def test_what_may_have_been_done_is_not_done_twice(connect: Make) -> None:
    with serving(BUSY, breaks, says(201, {})) as script, pytest.raises(ServiceUnreachable):
        connect(script.url, patience=AT_ONCE).register_webhook("https://hooks.example.com")

    assert len(script.asked) == 2  # once more after the 503, never after the broken line


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_lost_the_answer_may_have_delivered_the_request(connect: Make, status: int) -> None:
    with serving(says(status)) as script, pytest.raises(TedApiError, match=str(status)):
        connect(script.url, patience=AT_ONCE).rotate_webhook("wh_1")

    assert len(script.asked) == 1


def test_a_deletion_whose_answer_was_lost_is_done(connect: Make) -> None:
    gone = problem(404, "job_not_found")
    with serving(breaks, gone) as script:
        connect(script.url, patience=AT_ONCE).delete("job_1")

    with serving(BUSY, gone) as script, pytest.raises(TedApiError):
        connect(script.url, patience=AT_ONCE).delete("job_1")
    assert len(script.asked) == 2


@pytest.mark.parametrize("url", ["localhost:1", "ftp://localhost", "/v1", "http://", "http://a\n"])
def test_what_is_no_address_of_a_service_is_told_at_once(connect: Make, url: str) -> None:
    with pytest.raises(ServiceUnreachable, match=r"is no (service's )?URL"):
        connect(url)


@pytest.mark.parametrize("answer", [says(200), says(200, ["a list"]), says(204), says(301, Location="/elsewhere")])
def test_what_is_no_service_is_told_at_once(connect: Make, answer: Answer) -> None:
    with serving(answer) as script:
        client = connect(script.url, patience=AT_ONCE)
        for asked in (lambda: client.job("job_1"), lambda: client.wait("job_1"), lambda: next(client.jobs())):
            with pytest.raises(ClientError, match="answered"):
                asked()

    assert len(script.asked) == 3


def test_a_redirected_deletion_is_not_taken_for_done(connect: Make) -> None:
    with serving(says(301, Location="/elsewhere")) as script, pytest.raises(TedApiError, match="301"):
        connect(script.url, patience=AT_ONCE).delete("job_1")


def test_an_id_is_one_part_of_the_path_whatever_it_holds(connect: Make) -> None:
    with serving(says(200, JOB)) as script:
        connect(script.url).job("../webhooks?a=b\n")

    assert script.asked[0].path == "/v1/jobs/..%2Fwebhooks%3Fa%3Db%0A"


def test_an_answer_that_is_not_the_service_s_is_a_problem_all_the_same(connect: Make) -> None:
    with serving(says(404, ["not", "ted"])) as script, pytest.raises(TedApiError, match="answered 404") as refused:
        connect(script.url).job("job_1")

    assert refused.value.code == "not_ted"


def test_waiting_asks_for_long_answers_and_hears_of_changes_only(connect: Make) -> None:
    running, done = JOB | {"status": "running", "progress": None}, JOB | {"status": "succeeded"}
    answers = [says(200, running, ETag='"1"'), says(304), BUSY, says(200, done, ETag='"2"')]
    heard: list[str] = []

    with serving(*answers) as script:
        client = connect(script.url, patience=AT_ONCE)
        job = client.wait("job_1", on_progress=lambda job: heard.append(job.status), poll_seconds=0)

    assert (job.status, heard) == ("succeeded", ["running", "succeeded"])
    assert _patience(script) == [(None, None)] + [('"1"', "wait=20")] * 3


def _patience(script: Script) -> list[tuple[str | None, str | None]]:
    return [(asked.headers.get("If-None-Match"), asked.headers.get("Prefer")) for asked in script.asked]


def test_the_key_is_shown_to_the_service(connect: Make) -> None:
    with serving(says(200, JOB)) as script:
        connect(script.url, key="ted_secret").job("job_1")

    assert script.asked[0].headers["Authorization"] == "Bearer ted_secret"
