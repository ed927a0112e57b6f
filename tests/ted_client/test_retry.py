"""Which requests are retried, when, and for how long."""

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


def pauses(
    flow: Flow[Any], replies: Iterator[httpx.TransportError | tuple[int, bytes]], clock: Clock
) -> Iterator[float]:
    """The pauses of a flow that meets these replies, until it ends."""
    runner, content = FlowRunner(flow), iter(())
    while runner.step:
        match runner.step:
            case SendRequest(_):
                reply = next(replies)
                if isinstance(reply, httpx.TransportError):
                    runner.throw(reply)
                    continue
                content = iter([reply[1]])
                runner.send(ResponseHead(reply[0], httpx.Headers(), "http://ted/v1/jobs"))
            case ReadChunk():
                runner.send(next(content, b""))
            case Sleep(seconds):
                yield seconds
                clock.now += seconds
                runner.send(None)


def refusals() -> Iterator[httpx.TransportError]:
    while True:
        yield httpx.ConnectError("refused")


def connection(clock: Clock, *, jitter: float = 1.0, seconds: float = 60.0) -> ServiceConnection:
    return ServiceConnection("http://ted", RetryPolicy(seconds, jitter=lambda: jitter, clock=clock))


def test_pauses_double_up_to_a_limit_and_end_before_time_runs_out() -> None:
    clock, other_clock, before_giving_up = Clock(), Clock(), list[float]()
    replies = iter([httpx.ConnectError("refused")] * 7 + [(200, b"{}")])

    before_success = list(pauses(connection(other_clock).send(Request("GET", "/v1/jobs")), replies, other_clock))
    with pytest.raises(ServiceUnreachable, match="http://ted does not answer"):
        for pause in pauses(connection(clock).send(Request("GET", "/v1/jobs")), refusals(), clock):
            before_giving_up.append(pause)

    assert before_success == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert before_giving_up == [*before_success, 10.0, 10.0]
    assert 50 < clock.now < 60


def test_jitter_scales_every_pause() -> None:
    clock = Clock()
    replies = iter([httpx.ReadError("reset")] * 3 + [(200, b"{}")])

    shortened = list(pauses(connection(clock, jitter=0.25).send(Request("GET", "/v1/jobs")), replies, clock))

    assert shortened == [0.125, 0.25, 0.5]


def test_without_retries_a_request_is_sent_once(connect: Make) -> None:
    with serving(BUSY) as script, pytest.raises(TedApiError):
        connect(script.url, retry=RetryPolicy(seconds=0)).job("job_1")

    assert len(script.requests) == 1


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
def test_temporary_failures_are_retried_until_the_request_succeeds(connect: Make, trouble: list[Answer]) -> None:
    with serving(*trouble, says(200, JOB)) as script:
        job = connect(script.url, retry=AT_ONCE).job("job_1")

    assert job.id == "job_1"
    assert len(script.requests) == len(trouble) + 1


def test_retry_after_is_waited_for(connect: Make) -> None:
    with serving(problem(429, "too_many_requests", Retry_After="1"), says(200, JOB)) as script:
        client, began = connect(script.url, retry=AT_ONCE), time.monotonic()
        client.job("job_1")

    assert time.monotonic() - began >= 1


def test_a_retry_after_longer_than_the_policy_allows_raises_at_once(connect: Make) -> None:
    too_soon = problem(429, "too_many_requests", Retry_After="3600")
    with serving(too_soon) as script, pytest.raises(TedApiError) as refused:
        connect(script.url).job("job_1")

    assert (refused.value.retry_after, len(script.requests)) == (3600, 1)


def test_retry_after_may_be_a_date_and_nonsense_is_ignored() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)

    def seconds(value: str) -> float | None:
        return retry_after(httpx.Headers({"Retry-After": value}))

    assert 25 < (seconds(soon) or 0) <= 30
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [seconds(value) for value in ("7", "-1", "soon", "")] == [7, None, None, None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_permanent_errors_are_raised_at_once(connect: Make, status: int) -> None:
    with serving(problem(status, "refused")) as script, pytest.raises(TedApiError) as refused:
        connect(script.url).job("job_1")

    assert len(script.requests) == 1
    error = refused.value
    assert (error.status, error.code, error.detail, error.request_id) == (status, "refused", "It is refused.", "r1")


def test_a_full_queue_is_not_retried(connect: Make) -> None:
    with serving(problem(429, "too_many_queued", Retry_After="15")) as script, pytest.raises(TedApiError):
        connect(script.url).submit({})

    assert len(script.requests) == 1


@pytest.mark.parametrize(("code", "times"), [("too_many_requests", 1000), ("too_many_queued", 1)])
def test_a_429_is_raised_once_the_policy_s_time_is_over_or_if_the_queue_is_full(
    connect: Make, code: str, times: int
) -> None:
    with (
        serving(*[problem(429, code, Retry_After="0")] * times, says(200, JOB)) as script,
        pytest.raises(TedApiError) as refused,
    ):
        connect(script.url, retry=RetryPolicy(seconds=1)).job("job_1")

    assert (refused.value.status, refused.value.code) == (429, code)


def test_a_submission_is_repeated_with_the_same_idempotency_key(connect: Make) -> None:
    with serving(breaks, BUSY, says(202, JOB)) as script:
        connect(script.url, retry=AT_ONCE).submit({"plan": {}})

    keys = {request.headers["Idempotency-Key"] for request in script.requests}
    assert len(script.requests) == 3
    assert len(keys) == 1
    assert keys != {""}


def test_a_request_that_is_not_idempotent_is_not_repeated_after_a_broken_connection(connect: Make) -> None:
    with serving(BUSY, breaks, says(201, {})) as script, pytest.raises(ServiceUnreachable):
        connect(script.url, retry=AT_ONCE).register_webhook("https://hooks.example.com")

    assert len(script.requests) == 2  # once more after the 503, never after the broken line


@pytest.mark.parametrize("status", [502, 504])
def test_a_request_that_is_not_idempotent_is_not_repeated_after_a_gateway_error(connect: Make, status: int) -> None:
    with serving(says(status)) as script, pytest.raises(TedApiError, match=str(status)):
        connect(script.url, retry=AT_ONCE).rotate_webhook("wh_1")

    assert len(script.requests) == 1


def test_a_404_after_a_lost_response_means_that_the_deletion_succeeded(connect: Make) -> None:
    gone = problem(404, "job_not_found")
    with serving(breaks, gone) as script:
        connect(script.url, retry=AT_ONCE).delete("job_1")

    with serving(BUSY, gone) as script, pytest.raises(TedApiError):
        connect(script.url, retry=AT_ONCE).delete("job_1")
    assert len(script.requests) == 2


@pytest.mark.parametrize("url", ["localhost:1", "ftp://localhost", "/v1", "http://", "http://a\n"])
def test_an_invalid_service_url_is_refused_at_once(connect: Make, url: str) -> None:
    with pytest.raises(ServiceUnreachable, match=r"is no (service's )?URL"):
        connect(url)


@pytest.mark.parametrize("answer", [says(200), says(200, ["a list"]), says(204), says(301, Location="/elsewhere")])
def test_a_server_that_is_no_ted_service_is_reported_at_once(connect: Make, answer: Answer) -> None:
    with serving(answer) as script:
        client = connect(script.url, retry=AT_ONCE)
        for call in (lambda: client.job("job_1"), lambda: client.wait("job_1"), lambda: next(client.jobs())):
            with pytest.raises(ClientError, match="answered"):
                call()

    assert len(script.requests) == 3


def test_a_redirected_deletion_is_an_error(connect: Make) -> None:
    with serving(says(301, Location="/elsewhere")) as script, pytest.raises(TedApiError, match="301"):
        connect(script.url, retry=AT_ONCE).delete("job_1")


def test_an_id_is_escaped_into_one_path_segment(connect: Make) -> None:
    with serving(says(200, JOB)) as script:
        connect(script.url).job("../webhooks?a=b\n")

    assert script.requests[0].path == "/v1/jobs/..%2Fwebhooks%3Fa%3Db%0A"


def test_an_error_from_another_server_raises_an_api_error_too(connect: Make) -> None:
    with serving(says(404, ["not", "ted"])) as script, pytest.raises(TedApiError, match="answered 404") as refused:
        connect(script.url).job("job_1")

    assert refused.value.code == "not_ted"


def test_waiting_uses_long_polls_and_reports_only_changes(connect: Make) -> None:
    running, done = JOB | {"status": "running", "progress": None}, JOB | {"status": "succeeded"}
    answers = [says(200, running, ETag='"1"'), says(304), BUSY, says(200, done, ETag='"2"')]
    heard: list[str] = []

    with serving(*answers) as script:
        client = connect(script.url, retry=AT_ONCE)
        job = client.wait("job_1", on_progress=lambda job: heard.append(job.status), poll_seconds=0)

    assert (job.status, heard) == ("succeeded", ["running", "succeeded"])
    assert _long_polls(script) == [(None, None)] + [('"1"', "wait=20")] * 3


def _long_polls(script: Script) -> list[tuple[str | None, str | None]]:
    return [(request.headers.get("If-None-Match"), request.headers.get("Prefer")) for request in script.requests]


def test_the_key_is_sent_as_a_bearer_token(connect: Make) -> None:
    with serving(says(200, JOB)) as script:
        connect(script.url, key="ted_secret").job("job_1")

    assert script.requests[0].headers["Authorization"] == "Bearer ted_secret"
