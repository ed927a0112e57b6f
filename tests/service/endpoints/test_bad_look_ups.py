"""What names nothing that can exist is answered with 404 or 422, on both databases alike, and never reaches them."""

from collections.abc import Callable, Iterator
from itertools import product
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient

from ted_jobs.jobs.store import JobStore
from tests.service.conftest import Json, on_both_databases

NUL_AND_OTHERS = (
    "\0",
    "%",
    "'",
    '"',
    "\\",
    "\n",
    "\r\n",
    "\x7f",
    "\x85",
    "\u202e",
    "é",
    "😀",
    "\ufffd",
    "\uffff",
    "ß" * 300,
)
RAW = ("%00", "%ff", "%ed%a0%80", "%c0%80", "%u0000", "%", "%0", "%0a", "%80abc")
"""Percent-encodings that are no UTF-8: single bytes, a surrogate, an overlong NUL."""


def bad(text: str) -> Iterator[str]:
    """The text with something in front, inside or behind that cannot be there, percent-encoded; and other nonsense."""
    half = len(text) // 2
    yield from ("%00" + text, text + "%00")
    for other in NUL_AND_OTHERS:
        yield quote(text[:half] + other + text[half:], safe="")
    for other in RAW:
        yield text[:half] + other + text[half:]
    yield from (text * 100, text.upper() + "!", "9" * 5000, "*", "-1", "null")


def no_number() -> Iterator[str]:
    """What is not 1; white space around it is allowed."""
    return (text for text in bad("1") if unquote(text).strip() != "1")


PATHS = {
    "job": ("job_" + "0" * 28, ("/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/manifest", "/v1/jobs/{}/report")),
    "dataset": ("digits", ("/v1/datasets/{}",)),
    "proxy": ("vision", ("/v1/proxies/{}",)),
    "webhook": ("wh_" + "0" * 28, ("/v1/webhooks/{}", "/v1/webhooks/{}/deliveries")),
}


@on_both_databases
@pytest.mark.parametrize("kind", PATHS)
def test_an_id_or_name_that_cannot_exist_is_not_found(client: TestClient, kind: str) -> None:
    text, paths = PATHS[kind]

    for (method, path), identifier in product([("DELETE", paths[0]), *(("GET", path) for path in paths)], bad(text)):
        answer = client.request(method, path.format(identifier))

        assert answer.status_code == 404, (method, path, identifier, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"


@on_both_databases
def test_a_cursor_that_cannot_exist_is_refused(client: TestClient) -> None:
    job = "job_" + "0" * 28
    lists = {"/v1/jobs": f"{job}.1", "/v1/webhooks": "wh_" + "0" * 28, "/v1/datasets": "digits"}

    for path, cursor in lists.items():
        for after in bad(cursor):
            answer = client.get(f"{path}?after={after}")

            is_name = path == "/v1/datasets" and after in ("-1", "null")
            assert answer.status_code == (200 if is_name else 422), (path, after, answer.text)


@on_both_databases
def test_a_filter_or_number_that_means_nothing_is_refused(client: TestClient, store: JobStore) -> None:
    queries = [f"{name}={value}" for name in ("status", "created_after", "limit", "other") for value in no_number()]
    labels = [f"metadata[{key}]=vision" for key in bad("team") if "%" in key]
    values = [f"metadata[team]={value}" for value in ("%00", "a%00", "a" * 513, "a%00b" * 9)]

    for query in (*queries, *labels, *values):
        answer = client.get(f"/v1/jobs?{query}")

        assert answer.status_code == 422, (query, answer.text)
        assert answer.json()["code"] == "invalid_request"


@on_both_databases
def test_a_number_of_an_event_that_means_nothing_is_refused(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    events = client.post("/v1/jobs", json=submission()).json()["links"]["events"]

    for after in (*no_number(), str(2**53), str(2**63), str(2**64), "1e3", "٣", "NaN"):
        assert client.get(f"{events}?after={after}").status_code == 422, after
        assert client.get(events, headers={"Last-Event-ID": after[:1000].encode()}).status_code == 422, after


@on_both_databases
def test_a_name_that_cannot_exist_is_refused_in_a_body(client: TestClient, submission: Callable[..., Json]) -> None:
    for name in ("a\0b", "\0", "a" * 65, "😀", "a/b", "a'b", "", "\x85"):
        named = {**submission(), "dataset": {"name": name}}
        answers = {
            "unknown_dataset": client.post("/v1/jobs", json=named),
            "unknown_proxy": client.post("/v1/jobs", json=submission(proxy={"name": name})),
            "invalid_request": client.post("/v1/datasets", json={**submission()["dataset"], "name": name}),
        }

        assert {answer.json()["code"] for answer in answers.values()} <= {*answers, "invalid_request"}, name
        assert {answer.status_code for answer in answers.values()} == {422}, name


@on_both_databases
def test_text_with_nul_is_stored_and_returned_where_any_text_is_allowed(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    job = client.post("/v1/jobs", json=submission(metadata={"note": "a\0b"})).json()

    assert client.get(job["links"]["self"]).json()["metadata"] == {"note": "a\0b"}
    assert client.get("/v1/jobs").json()["data"][0]["metadata"] == {"note": "a\0b"}
    assert client.get("/v1/jobs?metadata[note]=a").json()["data"] == []
    assert client.post(job["links"]["cancel"]).status_code == 200
    assert client.post(job["links"]["retry"]).json()["metadata"] == {"note": "a\0b"}
