"""How much a key may ask for: requests in a minute, and jobs that wait."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as some

from service.http import authentication
from service.limits.rate_limit import RateLimiter
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from ted_jobs.api_keys.text import new_key_text
from tests.service.conftest import Json, bearer, on_both_databases


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


# --- buckets ----------------------------------------------------------------------------------------------------------


def test_a_minutes_requests_may_come_at_once_and_then_at_the_refill_rate() -> None:
    clock = Clock()
    buckets = RateLimiter(clock=clock)

    at_once = [buckets.take("a", per_minute=6).is_allowed for _ in range(8)]
    wait = buckets.take("a", per_minute=6).wait_seconds
    clock.seconds += wait
    later = [buckets.take("a", per_minute=6).is_allowed for _ in range(2)]

    assert at_once == [True] * 6 + [False] * 2
    assert wait == 10
    assert later == [True, False]
    assert buckets.take("b", per_minute=6).is_allowed


@given(gaps=some.lists(some.floats(0, 30), max_size=60), per_minute=some.integers(1, 120))
def test_no_more_requests_are_allowed_than_the_bucket_was_refilled_with(gaps: list[float], per_minute: int) -> None:
    clock = Clock()
    buckets, granted = RateLimiter(clock=clock), 0

    for gap in gaps:
        clock.seconds += gap
        draw = buckets.take("a", per_minute=per_minute)
        granted += draw.is_allowed
        assert draw.is_allowed or draw.wait_seconds >= 1

    assert granted <= per_minute + clock.seconds * per_minute / 60 + 1e-6


@given(per_minute=some.integers(1, 1000))
def test_a_client_that_waits_as_told_is_allowed(per_minute: int) -> None:
    clock = Clock()
    buckets = RateLimiter(clock=clock)
    while (draw := buckets.take("a", per_minute=per_minute)).is_allowed:
        pass

    clock.seconds += draw.wait_seconds

    assert buckets.take("a", per_minute=per_minute).is_allowed


def test_the_number_of_buckets_is_bounded() -> None:
    buckets = RateLimiter(most=10)

    for number in range(1000):
        buckets.take(str(number), per_minute=1)

    assert len(buckets) == 10
    assert buckets.is_empty("999", per_minute=1)
    assert not buckets.is_empty("1", per_minute=1)


# --- requests in a minute ---------------------------------------------------------------------------------------------


def test_a_key_over_its_limit_is_told_when_to_retry_and_other_keys_are_not_affected(
    guarded: TestClient, keys: ApiKeyStore
) -> None:
    _, hasty = keys.create(NewApiKey(requests_per_minute=3))
    _, other = keys.create(NewApiKey())

    answers = [guarded.get("/v1/jobs", headers=bearer(hasty)) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=60'
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert guarded.get("/v1/jobs", headers=bearer(other)).headers["RateLimit-Policy"] == '"key";q=600;w=60'


def test_a_key_may_have_no_limit(guarded: TestClient, keys: ApiKeyStore) -> None:
    _, text = keys.create(NewApiKey(requests_per_minute=0))

    answers = [guarded.get("/v1/proxies", headers=bearer(text)) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_guessing_keys_is_slowed_down_and_locks_out_no_valid_key(
    guarded: TestClient, keys: ApiKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "REFUSALS_PER_MINUTE", 5)
    monkeypatch.setattr(authentication, "KEY_CACHE_SECONDS", 0)
    (_, known), (_, new) = keys.create(NewApiKey()), keys.create(NewApiKey())
    assert guarded.get("/v1/jobs", headers=bearer(known)).status_code == 200

    guesses = [guarded.get("/v1/jobs", headers=bearer(new_key_text())).status_code for _ in range(5)]
    after = guarded.get("/v1/jobs", headers=bearer(new))

    assert guesses == [401] * 5
    assert (after.status_code, after.json()["code"]) == (429, "too_many_requests")
    assert int(after.headers["Retry-After"]) >= 1
    assert guarded.get("/v1/jobs").status_code == 429
    assert guarded.get("/v1/jobs", headers=bearer(known)).status_code == 200
    assert guarded.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a name", "a name"),
    ],
)
def test_a_slash_64_network_counts_as_one_address(host: str, address: str) -> None:
    from starlette.requests import Request  # noqa: PLC0415

    request = Request({"type": "http", "client": (host, 1), "headers": []})

    assert authentication._client_address(request) == address


# --- jobs that wait ---------------------------------------------------------------------------------------------------


@on_both_databases
def test_twenty_submissions_at_once_cannot_pass_the_limit(
    guarded: TestClient, keys: ApiKeyStore, submission: Callable[..., Json], rows: Callable[[], Json]
) -> None:
    _, text = keys.create(NewApiKey(most_queued=3))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: guarded.post("/v1/jobs", json=submission(), headers=bearer(text)), range(20)))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(refused), rows()["jobs"]) == (17, 3)
    assert {answer.json()["code"] for answer in refused} == {"too_many_queued"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


@on_both_databases
def test_a_full_queue_still_replays_and_accepts_again_after_a_cancellation(
    guarded: TestClient, keys: ApiKeyStore, submission: Callable[..., Json]
) -> None:
    _, text = keys.create(NewApiKey(most_queued=1))
    repeat = bearer(text) | {"Idempotency-Key": "once"}
    first = guarded.post("/v1/jobs", json=submission(), headers=repeat)

    again = guarded.post("/v1/jobs", json=submission(), headers=repeat)
    another = guarded.post("/v1/jobs", json=submission(), headers=bearer(text))
    guarded.post(f"{first.headers['Location']}/cancel", headers=bearer(text))

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert another.status_code == 429
    assert guarded.post("/v1/jobs", json=submission(), headers=bearer(text)).status_code == 202
