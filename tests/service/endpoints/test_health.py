"""What operators see: readiness, request ids, log lines, and problems that give nothing away."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.types import Message
from structlog.testing import capture_logs

from service.app import create_app
from service.broker import BrokerProbe
from ted_cli.local.broker import server_command, socket_path
from ted_jobs.db.engine import write_transaction
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.service.conftest import Json, submit_by_hand

NOWHERE = "postgresql://postgres@127.0.0.1:1/nowhere"


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """The URL of a server that accepts connections and then says nothing, as a stopped one does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """The URL of a Valkey server of this test's own."""
    process = subprocess.Popen(server_command(tmp_path), stdout=subprocess.DEVNULL)
    socket_file, deadline = socket_path(tmp_path), time.monotonic() + 10
    while not socket_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"redis+socket://{socket_file}"
    process.terminate()
    process.wait(10)


@pytest.fixture
def without_database(tmp_path: Path, data: Path) -> Iterator[TestClient]:
    settings = Settings(home=tmp_path, database_url=NOWHERE, dataset_roots=(data,), auth="open")
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_process_that_answers_is_alive(without_database: TestClient) -> None:
    assert without_database.get("/healthz").json() == {"status": "ok"}


def test_without_a_broker_the_service_is_degraded_and_still_takes_jobs(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    ready, taken = client.get("/readyz"), client.post("/v1/jobs", json=submission())

    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "broker does not answer" in ready.json()["reason"]
    assert taken.status_code == 202


@pytest.mark.usefixtures("engine")
def test_a_broker_that_hangs_delays_readiness_only_briefly(settings: Settings, silent_broker: str) -> None:
    with TestClient(create_app(settings.model_copy(update={"broker_url": silent_broker}))) as client:
        began = time.monotonic()

        ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("engine")
def test_with_broker_and_database_the_service_is_ready(settings: Settings, broker: str) -> None:
    with TestClient(create_app(settings.model_copy(update={"broker_url": broker}))) as client:
        ready = client.get("/readyz")

    assert ready.json() == {"status": "ok", "reason": None}


def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(home=tmp_path))) as client:
        ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")


def test_the_broker_is_probed_once_for_many_requests() -> None:
    asked: list[bool] = []
    probe = BrokerProbe(lambda: bool(asked.append(True)) or True)

    answers = [probe.is_reachable() for _ in range(5)]

    assert (answers, asked) == ([True] * 5, [True])


@pytest.mark.parametrize("path", ["/readyz", "/v1/jobs", "/v1/jobs/job_" + 28 * "0"])
def test_without_a_database_every_read_is_told_to_retry_later(without_database: TestClient, path: str) -> None:
    answer = without_database.get(path)

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "127.0.0.1" not in answer.text


@pytest.mark.parametrize(
    "failure", [InterfaceError("SELECT", {}, Exception("the connection is closed")), NoConnectionLeft("pool is empty")]
)
def test_a_connection_lost_midway_is_answered_alike(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(JobStore, "jobs", lost)
    answer = client.get("/v1/jobs")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_without_a_database_no_job_is_accepted(without_database: TestClient, submission: Callable[..., Json]) -> None:
    answer = without_database.post("/v1/jobs", json=submission(), headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "same Idempotency-Key" in answer.json()["detail"]


def test_a_clients_request_id_is_returned_and_logged(client: TestClient) -> None:
    with capture_logs() as logs:
        answer = client.get("/v1/jobs/unknown", headers={"X-Request-ID": "mine-1.2_3"})

    assert answer.headers["X-Request-ID"] == "mine-1.2_3"
    assert answer.json()["instance"] == "urn:ted:request:mine-1.2_3"
    (line,) = [line for line in logs if line["event"] == "request"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/jobs/unknown", 404)


@pytest.mark.parametrize("offered", ["", "two words", "x" * 129, 'quote"', "<script>"])
def test_a_request_id_that_could_do_harm_is_replaced(client: TestClient, offered: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": offered})

    assert answer.headers["X-Request-ID"] != offered
    assert len(answer.headers["X-Request-ID"]) == 32


def test_a_defect_is_logged_and_answered_without_details(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(JobStore, "jobs", broken)
    with capture_logs() as logs:
        answer = client.get("/v1/jobs")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["instance"] == f"urn:ted:request:{answer.headers['X-Request-ID']}"
    assert "hunter2" not in answer.text
    assert [line["log_level"] for line in logs] == ["error", "info"]


def test_what_clients_send_is_not_logged_when_a_statement_fails(
    client: TestClient, submission: Callable[..., Json], engine: Engine
) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("DROP TABLE outbox")
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")

    with capture_logs() as logs:
        answer = client.post("/v1/jobs", json=submission(metadata={"owner": "hunter2"}))

    assert answer.status_code == 503
    assert "no such table: jobs" in str(logs)
    assert "hunter2" not in str(logs)


def test_a_client_that_goes_away_is_no_defect_of_the_service(settings: Settings) -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def nobody_hears(_: Message) -> None: ...

    with capture_logs() as logs:
        submit_by_hand(settings, gone, nobody_hears, content_type="application/json", content_length="10")

    assert [(line["event"], line["log_level"]) for line in logs] == [("client went away", "info"), ("request", "info")]
