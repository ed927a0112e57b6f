"""The API as a process: requests on their way are finished before it ends, and its log can be followed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.service.conftest import Json


@dataclass(frozen=True)
class Api:
    """A running ``python -m service``."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[Json]:
        """The records of its log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def api(settings: Settings, tmp_path: Path, engine: object) -> Iterator[Api]:
    with socket.socket() as listener, (tmp_path / "api.log").open("wb") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        environment = {
            "TED_DATABASE_URL": settings.database,
            "TED_HOME": str(settings.home),
            "TED_DATASET_ROOTS": str(settings.dataset_roots[0]),
            "TED_AUTH": "open",
            "TED_LISTEN_FD": str(listener.fileno()),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            env=os.environ | environment,
            stderr=log,
            pass_fds=(listener.fileno(),),
        )
        running = Api(process, listener.getsockname()[1], tmp_path / "api.log")
    until(lambda: "Application startup complete" in running.log.read_text())
    yield running
    process.kill()
    process.wait()


def test_a_request_in_flight_is_answered_before_the_process_ends(api: Api, submission: Callable[..., Json]) -> None:
    body = json.dumps(submission()).encode()
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: ted\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port)) as connection:
        connection.sendall(head.encode() + body[:20])
        httpx.get(f"{api.url}/healthz").raise_for_status()  # by now it has begun with ours as well

        api.process.send_signal(signal.SIGTERM)
        until(lambda: "Shutting down" in api.log.read_text(), seconds=10)
        connection.sendall(body[20:])

        assert connection.makefile("rb").readline().split()[1] == b"202"
    assert api.process.wait(10) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{api.url}/healthz")


def test_the_log_links_requests_and_jobs_in_both_directions(api: Api, submission: Callable[..., Json]) -> None:
    with httpx.Client(base_url=api.url) as client:
        job_id = client.post("/v1/jobs", json=submission(), headers={"X-Request-ID": "first"}).json()["id"]
        client.post(f"/v1/jobs/{job_id}/cancel", headers={"X-Request-ID": "second"})
        client.get("/healthz", headers={"X-Request-ID": "third"})

    of_job = {(line["request_id"], line["event"]) for line in api.lines() if line.get("job") == job_id}
    assert of_job == {("first", "job accepted"), ("second", "request")}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in api.lines())
