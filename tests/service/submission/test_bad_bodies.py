"""A body that is no job at all is refused with the reason, before anything is read or stored."""

import json
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from ted_jobs.settings import Settings
from tests.service.conftest import Json, submit_by_hand

JSON = {"Content-Type": "application/json"}

NOT_JSON = [
    (b"", "EOF while parsing"),
    (b"keep_ratio=0.6", "expected value at line 1"),
    (b'{"plan": {"keep_ratio": NaN}}', "without NaN or Infinity"),
    (b'{"plan": {"keep_ratio": Infinity}}', "without NaN or Infinity"),
    (b'{"plan": ', "EOF while parsing"),
    (b"{} {}", "trailing characters"),
    (b"[" * 100_000, "not nested beyond reason"),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "not nested beyond reason"),
    (b'{"metadata": {"a": "\xff"}}', "JSON document in UTF-8"),
    (b'{"metadata": {"a": "\\ud800"}}', "JSON document in UTF-8"),
    (b'{"plan": {"seed": ' + b"9" * 5_000 + b"}}", "number out of range"),
]

NOT_AN_OBJECT = [b"[]", b"null", b"7", b'"job"', b'[{"plan": {"keep_ratio": 0.6}}]']

NOT_DECLARED = [
    ({}, "There is no Content-Type"),
    ({"Content-Type": "text/plain"}, "Content-Type is 'text/plain'"),
    ({"Content-Type": "application/x-www-form-urlencoded"}, "send it with Content-Type: application/json"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, "Content-Type is 'multipart/form-data'"),
]


@pytest.mark.parametrize(("body", "says"), NOT_JSON, ids=[repr(body[:30]) for body, _ in NOT_JSON])
def test_a_body_that_is_not_json_is_refused(
    client: TestClient, must_refuse: Callable[..., None], body: bytes, says: str
) -> None:
    answer = client.post("/v1/jobs", content=body, headers=JSON)

    must_refuse(answer, status=400, code="malformed_json", field=None, says=says)


@pytest.mark.parametrize("body", NOT_AN_OBJECT)
def test_json_that_is_not_an_object_is_refused(
    client: TestClient, must_refuse: Callable[..., None], body: bytes
) -> None:
    answer = client.post("/v1/jobs", content=body, headers=JSON)

    must_refuse(answer, code="invalid_request", field="body", says="must be a JSON object")


@pytest.mark.parametrize(("headers", "says"), NOT_DECLARED)
def test_a_body_that_is_not_declared_as_json_is_refused(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], headers: Json, says: str
) -> None:
    body = json.dumps(submission()).encode()

    answer = client.post("/v1/jobs", content=body, headers=headers)

    must_refuse(answer, status=415, code="unsupported_media_type", field=None, says=says)


def test_json_may_be_declared_with_a_charset_and_in_capitals(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    body = json.dumps(submission()).encode()

    answer = client.post("/v1/jobs", content=body, headers={"Content-Type": "Application/JSON; charset=utf-8"})

    assert answer.status_code == 202


def test_a_body_that_announces_too_many_bytes_is_refused(
    client: TestClient, must_refuse: Callable[..., None], settings: Settings
) -> None:
    body = b" " * (settings.max_body_bytes + 1)

    answer = client.post("/v1/jobs", content=body, headers=JSON)

    assert "Content-Length" in answer.request.headers
    must_refuse(answer, status=413, code="body_too_large", field=None, says="The limit is 1000000 bytes")


def test_an_oversized_content_length_is_refused_before_the_body_arrives(
    client: TestClient, must_refuse: Callable[..., None], settings: Settings
) -> None:
    announced = JSON | {"Content-Length": str(settings.max_body_bytes + 1)}

    answer = client.post("/v1/jobs", content=b"{}", headers=announced)

    must_refuse(answer, status=413, code="body_too_large", field=None, says="The limit is")


def test_an_oversized_chunked_body_is_refused(settings: Settings) -> None:
    asked: list[int] = []
    answered: list[Message] = []

    async def chunks() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": b" " * 100_000, "more_body": len(asked) < 100}

    async def client(message: Message) -> None:
        answered.append(message)

    submit_by_hand(settings, chunks, client, content_type="application/json", transfer_encoding="chunked")

    assert answered[0]["status"] == 413
    assert json.loads(answered[1]["body"])["code"] == "body_too_large"
    assert len(asked) == settings.max_body_bytes // 100_000 + 1


def test_a_body_of_the_largest_size_is_accepted(
    client: TestClient, submission: Callable[..., Json], settings: Settings
) -> None:
    body = json.dumps(submission()).encode().ljust(settings.max_body_bytes)

    answer = client.post("/v1/jobs", content=body, headers=JSON)

    assert answer.status_code == 202
