"""Webhooks over HTTP: registered, changed, and never a way into the service's own network."""

import io
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.apidoc.webhook_messages import JobMessage, PingMessage
from service.app import create_app
from ted_jobs.logs import configure_logging
from ted_jobs.settings import Settings
from ted_jobs.webhooks import deliveries as due
from ted_jobs.webhooks import store as registry
from ted_jobs.webhooks.deliveries import Outcome
from tests.service.conftest import Json, must_be_documented, on_both_databases
from tests.service.endpoints.test_metrics import numbers
from tests.ted_jobs.webhooks.test_targets import INSIDE

URL = "https://93.184.215.14/ted"
ENDS = ["job.succeeded", "job.failed", "job.cancelled", "job.expired"]
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def registered(client: TestClient) -> Json:
    answer = client.post("/v1/webhooks", json={"url": URL})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(answer, *, code: str, field: str | None = None, status: int = 422) -> str:
    """The detail of a problem, once it is the right one."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert [error["field"] for error in problem["errors"]] == ([field] if field else [])
    return problem["detail"]


@on_both_databases
def test_a_webhook_is_registered_read_changed_and_deleted(client: TestClient) -> None:
    made = client.post("/v1/webhooks", json={"url": "HTTPS://93.184.215.14:443/ted", "events": ["job.failed"]})
    webhook = made.json()
    here = made.headers["Location"]

    shown = client.get(here).json()
    changed = client.patch(here, json={"events": ["job.running"], "enabled": False}).json()
    enabled = client.patch(here, json={"enabled": True}).json()
    gone = client.delete(here)

    assert made.status_code == 201
    assert here == f"/v1/webhooks/{webhook['id']}"
    assert SECRET.fullmatch(webhook["secret"])
    assert shown == {name: value for name, value in webhook.items() if name != "secret"}
    assert (shown["url"], shown["events"], shown["enabled"], shown["disabled_reason"]) == (
        URL,
        ["job.failed"],
        True,
        None,
    )
    assert (changed["enabled"], changed["disabled_reason"]) == (False, "disabled by its owner")
    assert (enabled["enabled"], enabled["events"], enabled["url"]) == (True, ["job.running"], URL)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(here).status_code == client.delete(here).status_code == 404


def test_by_default_a_webhook_hears_of_every_way_a_job_ends(registered: Json) -> None:
    assert registered["events"] == ENDS


def test_the_secret_is_shown_at_creation_and_rotation_and_in_no_other_answer(
    client: TestClient, registered: Json
) -> None:
    here = f"/v1/webhooks/{registered['id']}"

    rotated = client.post(f"{here}/rotate").json()
    ping = client.post(f"{here}/ping")
    others = [
        client.get(here),
        client.get("/v1/webhooks"),
        client.patch(here, json={"enabled": True}),
        client.get(f"{here}/deliveries"),
        ping,
        client.post(f"{here}/deliveries/{ping.json()['id']}/redeliver"),
        client.post("/v1/webhooks", json={"url": URL, "secret": registered["secret"]}),
    ]

    assert SECRET.fullmatch(rotated["secret"])
    assert rotated["secret"] != registered["secret"]
    assert datetime.fromisoformat(rotated["former_secret_until"]) > datetime.fromisoformat(rotated["created_at"])
    assert not any("whsec_" in answer.text and answer.status_code < 300 for answer in others)
    assert all(rotated["secret"] not in answer.text for answer in others)


def test_webhooks_are_listed_newest_first_in_pages(client: TestClient) -> None:
    ids = [client.post("/v1/webhooks", json={"url": URL}).json()["id"] for _ in range(3)]

    first = client.get("/v1/webhooks?limit=2").json()
    rest = client.get(f"/v1/webhooks?limit=2&after={first['next']}").json()

    assert [webhook["id"] for webhook in [*first["data"], *rest["data"]]] == ids[::-1]
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)
    unknown = client.get(f"/v1/webhooks?after=wh_{'0' * 28}")
    refused(unknown, code="unknown_cursor", field="after")


@on_both_databases
def test_deliveries_can_be_listed_and_sent_again(
    client: TestClient, engine: Engine, submission: Callable[..., Json]
) -> None:
    registered = client.post("/v1/webhooks", json={"url": URL}).json()
    here = f"/v1/webhooks/{registered['id']}/deliveries"
    job = client.post("/v1/jobs", json=submission()).json()
    client.post(f"{job['links']['cancel']}")

    (waiting,) = client.get(here).json()["data"]
    due.give_up(engine, due.claim_next(engine), Outcome(500, "refused"))
    (failed,) = client.get(f"{here}?status=failed").json()["data"]
    again = client.post(f"{here}/{waiting['id']}/redeliver")

    assert (waiting["type"], waiting["job_id"], waiting["status"]) == ("job.cancelled", job["id"], "pending")
    assert (failed["id"], failed["attempt"], failed["status_code"], failed["error"]) == (
        waiting["id"],
        1,
        500,
        "refused",
    )
    assert failed["due_at"] is None
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["status"], again.json()["attempt"]) == (waiting["id"], "pending", 0)
    assert client.get(f"{here}?status=failed").json()["data"] == []


def test_a_disabled_webhook_is_sent_nothing(client: TestClient, registered: Json) -> None:
    here = f"/v1/webhooks/{registered['id']}"
    client.patch(here, json={"enabled": False})

    says = refused(client.post(f"{here}/ping"), code="webhook_disabled", status=409)

    assert "enabled: true" in says


def test_the_number_of_webhooks_is_limited(
    client: TestClient, registered: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MOST_WEBHOOKS", 1)

    says = refused(client.post("/v1/webhooks", json={"url": URL}), code="too_many_webhooks", status=409)

    assert "delete one" in says


@pytest.mark.parametrize(
    "method_and_path", ["GET ", "PATCH ", "DELETE ", "POST /rotate", "POST /ping", "GET /deliveries"]
)
@pytest.mark.parametrize("webhook_id", ["wh_" + "0" * 28, "wh_x", "..", "%00"])
@pytest.mark.usefixtures("engine")
def test_a_webhook_that_is_not_there_is_not_found(client: TestClient, method_and_path: str, webhook_id: str) -> None:
    method, path = method_and_path.split(" ")

    answer = client.request(method, f"/v1/webhooks/{webhook_id}{path}", json={} if method == "PATCH" else None)

    assert answer.status_code == 404


def test_a_delivery_that_is_not_there_is_not_found(client: TestClient, registered: Json) -> None:
    for delivery_id in ("msg_" + "0" * 28, "msg_x"):
        answer = client.post(f"/v1/webhooks/{registered['id']}/deliveries/{delivery_id}/redeliver")
        refused(answer, code="delivery_not_found", status=404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"url": "https://93.184.215.14/" + "a" * 2048}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["job.finalizing"]}, "events.0"),
        ({"url": URL, "events": "job.failed"}, "events"),
        ({"url": URL, "secret": "whsec_x"}, "secret"),
        ([], "body"),
    ],
)
def test_an_invalid_body_is_refused_by_field(client: TestClient, body: object, field: str) -> None:
    refused(client.post("/v1/webhooks", json=body), code="invalid_request", field=field)


@pytest.mark.parametrize(
    ("content", "media_type", "status"), [(b"{", "application/json", 400), (b"{}", "text/plain", 415)]
)
def test_a_body_that_is_not_json_is_refused(client: TestClient, content: bytes, media_type: str, status: int) -> None:
    answer = client.post("/v1/webhooks", content=content, headers={"Content-Type": media_type})

    assert answer.status_code == status


ATTACKS = [
    "https://127.0.0.1/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://good@127.0.0.1/",
    "https://93.184.215.14@127.0.0.1/",
    "https://93.184.215.14#@127.0.0.1/",
    "https://１２７.0.0.1/",  # noqa: RUF001 - full-width digits on purpose
    "https://93.184.215.14/\r\nHost: 127.0.0.1",
    "gopher://93.184.215.14/",
    "file:///etc/passwd",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://93.184.215.14/",
    "javascript:alert(1)",
    "\ud800",
]


@pytest.mark.parametrize("url", ATTACKS)
@pytest.mark.usefixtures("engine")
def test_a_private_address_is_refused_at_registration_and_change(client: TestClient, url: str) -> None:
    registered = client.post("/v1/webhooks", json={"url": URL}).json()

    for method, path in (("POST", "/v1/webhooks"), ("PATCH", f"/v1/webhooks/{registered['id']}")):
        body = json.dumps({"url": url}).encode()
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        if url == "\ud800":
            assert answer.status_code in (400, 422)
        else:
            refused(answer, code="target_refused", field="url")

    assert client.get(f"/v1/webhooks/{registered['id']}").json()["url"] == URL
    assert len(client.get("/v1/webhooks").json()["data"]) == 1


@pytest.mark.parametrize("address", INSIDE)
def test_a_host_name_that_resolves_to_a_private_address_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])

    refused(client.post("/v1/webhooks", json={"url": "https://innocent.example/"}), code="target_refused", field="url")


def test_the_operator_may_allow_webhooks_to_this_machine(settings: Settings, engine: Engine) -> None:
    nearby = settings.model_copy(update={"webhook_targets": "loopback"})
    with TestClient(create_app(nearby)) as client:
        client.event_hooks = {"response": [must_be_documented]}

        here = client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9000/hook"})
        elsewhere = client.post("/v1/webhooks", json={"url": "http://10.0.0.1/"})

    assert here.status_code == 201
    refused(elsewhere, code="target_refused", field="url")


def test_metrics_count_deliveries(client: TestClient, registered: Json, engine: Engine, settings: Settings) -> None:
    for _ in range(2):
        client.post(f"/v1/webhooks/{registered['id']}/ping")
    due.succeed(engine, due.claim_next(engine), Outcome(204))

    found = numbers(settings)

    assert [found[f"ted_deliveries {status}"] for status in due.DeliveryStatus] == [1, 1, 0]
    assert 0 <= found["ted_delivery_oldest_seconds"] < 60


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, down to the last detail."""
    configure_logging("DEBUG")
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    logging.getLogger().addHandler(handler)
    yield told
    logging.getLogger().removeHandler(handler)
    logging.basicConfig(level="WARNING", force=True)


def test_secrets_are_not_logged(client: TestClient, logged: io.StringIO, tmp_path: Path) -> None:
    registered = client.post("/v1/webhooks", json={"url": URL}).json()
    rotated = client.post(f"/v1/webhooks/{registered['id']}/rotate").json()

    assert registered["id"] in logged.getvalue()
    assert not any(one["secret"].removeprefix("whsec_") in logged.getvalue() for one in (registered, rotated))


def test_messages_match_the_openapi_document(
    client: TestClient, engine: Engine, submission: Callable[..., Json]
) -> None:
    webhook = client.post("/v1/webhooks", json={"url": URL, "events": ["job.queued"]}).json()
    job = client.post("/v1/jobs", json=submission()).json()
    client.post(f"/v1/webhooks/{webhook['id']}/ping")

    news, ping = (due.claim_next(engine) for _ in range(2))

    documented = JobMessage.model_validate_json(news.payload), PingMessage.model_validate_json(ping.payload)
    assert [it.data.model_dump(mode="json") for it in documented] == [
        json.loads(it.payload)["data"] for it in (news, ping)
    ]
    assert (documented[0].data.job_id, documented[1].data.webhook_id) == (job["id"], webhook["id"])


def test_names_that_are_never_resolved_occupy_only_a_few_threads(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = threading.Semaphore(0), threading.Event()

    def hang(*_: object, **__: object) -> list:
        asked.release()
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with ThreadPoolExecutor(4) as clients:
        waiting = [
            clients.submit(client.post, "/v1/webhooks", json={"url": "https://hangs.example/"}) for _ in range(4)
        ]
        for _ in waiting:
            assert asked.acquire(timeout=5)

        another = client.post("/v1/webhooks", json={"url": "https://hangs.example/"})
        answered.set()

    refused(another, code="too_many_requests", status=429)
    assert another.headers["Retry-After"] == "3"
    assert {answer.result().status_code for answer in waiting} == {422}
