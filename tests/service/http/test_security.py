"""Attacks on the API as a whole. Those on one part stand beside its other tests:

- datasets outside the roots, in every spelling, and links that lead out: ``test_bad_locations``
- datasets that are bombs, change, or have evil names: ``test_hostile_datasets``
- webhooks that lead inside: ``tests/service/endpoints/test_webhooks`` and ``tests/ted_jobs/webhooks/test_targets``
- keys, guessed, revoked or in the log: ``test_authentication``; other tenants' things: ``test_tenancy``
- bodies that are no JSON, nested without end, or too long: ``test_bad_bodies``
- what every process logs: ``tests/pages/test_api_page``
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from ted_jobs.settings import Settings
from tests.servers.databases import migrated
from tests.service.conftest import Json, bearer
from tests.service.processes import api_process

JSON = "Content-Type: application/json\r\n"


@dataclass(frozen=True)
class Wire:
    """A real process that asks for keys, and a key: what a library would not send reaches it too."""

    url: str
    key: str

    def connected(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=20)

    def raw(self, line: str, headers: str | bytes = b"", body: bytes = b"") -> bytes:
        """All that comes back, before the connection ends, to a request with the key."""
        more = headers if isinstance(headers, bytes) else headers.encode()
        start = f"{line} HTTP/1.1\r\nHost: ted\r\nConnection: close\r\nAuthorization: Bearer {self.key}\r\n".encode()
        return self.bare(start + more + b"\r\n" + body)

    def bare(self, request: bytes) -> bytes:
        """All that comes back to these bytes."""
        with self.connected() as connection:
            connection.sendall(request)
            return connection.makefile("rb").read()


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Wire]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, dataset_roots=(data,), auth="keys")
    with migrated(settings.database) as engine, api_process(settings, log=home / "api.log") as api:
        limitless = NewApiKey(tenant="vision", requests_per_minute=0)
        _, text = ApiKeyStore(engine, secret=key_secret(settings)).create(limitless)
        yield Wire(api.url, text)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def head(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[0].lower()


# --- what is echoed ---------------------------------------------------------------------------------------------------

ECHOED = ["X-Request-ID", "Idempotency-Key", "Prefer", "If-None-Match", "Range", "If-Range", "Accept", "Last-Event-ID"]
BREAKS = [
    b"a\r\nX-Injected: yes",
    b"a\nX-Injected: yes",
    b"a\rX-Injected: yes",
    b"a\0X-Injected: yes",
    b"a%0d%0aX-Injected: yes",
]


@pytest.mark.parametrize("name", ECHOED)
def test_a_request_header_cannot_inject_a_response_header(wire: Wire, name: str) -> None:
    for value in BREAKS:
        answer = wire.raw("GET /v1/jobs", f"{name}: ".encode() + value + b"\r\n")

        assert status(answer) in (200, 400)
        assert b"x-injected" not in head(answer)


@pytest.mark.parametrize(
    "query",
    ["after=%0d%0aX-Injected:yes", "limit=%0d%0aX-Injected:yes", "status=%00", "%0d%0aX-Injected:yes=1",
     "metadata[%0d%0aX-Injected:yes]=1", "created_after=%0aX-Injected:yes", "limit=\x01", "after=%ff%fe"],
)  # fmt: skip
def test_a_query_cannot_inject_a_header_or_a_control_character(wire: Wire, query: str) -> None:
    answer = wire.raw(f"GET /v1/jobs?{query}")

    assert status(answer) in (400, 422)
    assert b"x-injected" not in head(answer)
    assert not set(answer) & (set(range(32)) - set(b"\r\n"))


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-URL"])
def test_no_response_repeats_the_host_header(wire: Wire, submission: Callable[..., Json], name: str) -> None:
    headers = {name: "evil.example", **bearer(wire.key)}
    with httpx.Client(base_url=wire.url, headers=headers, timeout=30) as client:
        taken = client.post("/v1/jobs", json=submission())
        others = [client.get(path) for path in ("/v1/jobs?limit=1", "/nowhere", "/openapi.json")]

    assert taken.headers["Location"] == taken.json()["links"]["self"]
    assert taken.headers["Location"].startswith("/v1/jobs/job_")
    assert not any("evil.example" in f"{answer.headers}{answer.text}" for answer in [taken, *others])


def test_browsers_let_no_other_site_read_responses(wire: Wire) -> None:
    asked = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n"

    answers = [wire.raw("GET /v1/jobs", asked), wire.raw("OPTIONS /v1/jobs", asked)]

    assert [status(answer) for answer in answers] == [200, 405]
    assert not any(b"access-control" in head(answer) for answer in answers)


# --- where a request goes ---------------------------------------------------------------------------------------------

NOWHERE = [
    "//v1/jobs", "/v1//jobs", "/v1/jobs/", "/v1/./jobs", "/v1/x/../jobs", "/v1/jobs%2f", "/v1/jobs%00", "/v1/jobs;x=1",
    "/v1\\jobs", "/V1/JOBS", "/v1/jobs%3f", "/v1/jobs%23", "/v1/%2e/jobs", "/v1/..;/v1/jobs", "/healthz/../v1/jobs",
    "/healthz%2f..%2fv1%2fjobs",
]  # fmt: skip
SAME = ["/v1/jobs", "/v1/%6aobs", "/v1%2fjobs"]
"""To all of them belongs the one path that they decode to."""


@pytest.mark.parametrize("path", NOWHERE)
def test_only_one_spelling_of_a_path_is_routed(wire: Wire, path: str) -> None:
    answer = wire.raw(f"GET {path}")

    assert status(answer) == 404
    assert b"location:" not in head(answer)


@pytest.mark.parametrize("path", [*SAME, "http://evil.example/v1/jobs", "//evil.example/v1/jobs", *NOWHERE])
def test_no_spelling_of_a_path_bypasses_authentication(wire: Wire, path: str) -> None:
    answer = wire.bare(f"GET {path} HTTP/1.1\r\nHost: ted\r\nConnection: close\r\n\r\n".encode())

    assert status(answer) in (401, 404)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_neither_headers_nor_query_override_the_method(
    client: TestClient, submission: Callable[..., Json], name: str
) -> None:
    job = client.post("/v1/jobs", json=submission()).json()["links"]["self"]
    client.post(f"{job}/cancel")

    answers = [
        client.get(job, headers={name: "DELETE"}),
        client.get(job, params={"_method": "DELETE"}),
        client.post(job, headers={name: "DELETE"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 405]
    assert client.get(job).status_code == 200


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "framing",
    ["Content-Length: 5\r\nContent-Length: 50", "Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5, 50",
     "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding : chunked",
     "Content-Length: \N{ARABIC-INDIC DIGIT FIVE}"],
)  # fmt: skip
def test_a_body_with_two_conflicting_lengths_is_refused(wire: Wire, framing: str) -> None:
    second = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: ted\r\n\r\n"

    answer = wire.raw("POST /v1/jobs", f"{JSON}{framing}\r\n", second)

    assert status(answer) in (400, 501)
    assert answer.count(b"HTTP/1.1 ") == 1, "what followed was taken for another request"


def test_conflicting_length_and_chunks_smuggle_no_second_request(wire: Wire) -> None:
    framing = f"{JSON}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"

    answer = wire.raw("POST /v1/jobs", framing, b"0\r\n\r\nGET /v1/smuggled HTTP/1.1\r\nHost: ted\r\n\r\n")

    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_truncated_body_stores_no_job(wire: Wire) -> None:
    with wire.connected() as connection:
        start = f"POST /v1/jobs HTTP/1.1\r\nHost: ted\r\n{JSON}Authorization: Bearer {wire.key}\r\n"
        connection.sendall(f"{start}Content-Length: 100\r\n\r\n{{}}".encode())
        connection.shutdown(socket.SHUT_WR)

        assert b"HTTP/1.1 2" not in connection.makefile("rb").read()


def test_slow_bodies_do_not_delay_other_clients(wire: Wire) -> None:
    start = f"POST /v1/jobs HTTP/1.1\r\nHost: ted\r\n{JSON}Authorization: Bearer {wire.key}\r\n"
    with ExitStack() as slow:
        for _ in range(100):
            slow.enter_context(wire.connected()).sendall(f"{start}Content-Length: 900000\r\n\r\n{{".encode())

        answers = [httpx.get(f"{wire.url}{path}", headers=bearer(wire.key)) for path in ("/v1/jobs", "/healthz")]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_of_a_repeated_field_the_last_value_is_checked_and_stored(
    client: TestClient, submission: Callable[..., Json]
) -> None:
    good, evil = submission(), submission(dataset={"uri": "/etc/passwd"})
    twice = '{{"dataset": {0[dataset]}, "dataset": {1[dataset]}, "proxy": {0[proxy]}, "plan": {0[plan]}}}'
    headers = {"Content-Type": "application/json"}

    taken = client.post("/v1/jobs", content=twice.format(evil, good).replace("'", '"'), headers=headers)
    refused = client.post("/v1/jobs", content=twice.format(good, evil).replace("'", '"'), headers=headers)

    assert taken.json()["dataset"]["uri"] == good["dataset"]["uri"]
    assert refused.json()["code"] == "dataset_not_allowed"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "1e309"])
def test_an_oversized_number_is_refused(client: TestClient, submission: Callable[..., Json], number: str) -> None:
    for section in ("plan.seed", "plan.keep_ratio", "deadline_seconds"):
        name, _, field = section.partition(".")
        body = submission(**({name: {field: "NUMBER"}} if field else {name: "NUMBER"}))
        text = str(body).replace("'NUMBER'", number).replace("'", '"')

        answer = client.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})

        assert answer.status_code in (400, 422), (section, answer.json())
