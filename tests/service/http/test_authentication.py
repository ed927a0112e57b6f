"""Who gets in: with which key, to do what, and what those hear who do not."""

import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from service import endpoints
from service.http import authentication
from service.http.errors import OpenBeyondLoopback
from service.server.sockets import check_keyless_access
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey, Scope
from ted_jobs.api_keys.text import is_well_formed_key, new_key_text
from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.db.tables import keys as table
from ted_jobs.logs import SECRET_PATTERN
from ted_jobs.settings import Settings
from tests.servers.stacks import until
from tests.service.conftest import Json, bearer, documented_operations, on_both_databases

LOOKING = {"GET", "HEAD"}
OPEN = ["/healthz", "/readyz", "/openapi.json", "/docs"]


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of everything below /v1, documented or not, its parameters filled with something."""
    for module in pkgutil.iter_modules(endpoints.__path__, "service.endpoints."):
        for route in import_module(module.name).router.routes:
            assert isinstance(route, APIRoute)
            if route.path.startswith("/v1/"):
                for method in route.methods:
                    yield method, route.path.replace("{", "").replace("}", "")


ROUTES = sorted(routes())
CHANGING = [(method, path) for method, path in ROUTES if method not in LOOKING]


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are looked up for every request, and nobody is slowed down."""
    monkeypatch.setattr(authentication, "KEY_CACHE_SECONDS", 0)
    monkeypatch.setattr(authentication, "REFUSALS_PER_MINUTE", 10_000)


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_nothing_below_v1_is_answered_without_a_key(guarded: TestClient) -> None:
    answers = {route: guarded.request(*route) for route in ROUTES}

    assert {route for route, answer in answers.items() if answer.status_code != 401} == set()
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {'Bearer realm="ted"'}


def test_a_read_only_key_can_change_nothing(guarded: TestClient, keys: ApiKeyStore) -> None:
    _, text = keys.create(NewApiKey(scopes=[Scope.READ]))

    answers = {route: guarded.request(*route, headers=bearer(text)) for route in CHANGING}

    assert {route for route, answer in answers.items() if answer.status_code != 403} == set()
    assert {answer.json()["code"] for answer in answers.values()} == {"scope_missing"}
    for answer in answers.values():
        assert "The scope submit is missing" in answer.json()["detail"]
        assert answer.headers["WWW-Authenticate"].endswith('error="insufficient_scope", scope="submit"')


@pytest.mark.parametrize("path", OPEN)
def test_public_endpoints_need_no_key(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_the_routes_under_test_include_reading_and_changing_ones() -> None:
    assert ("POST", "/v1/jobs") in CHANGING
    assert len(ROUTES) - len(CHANGING) > 5


@on_both_databases
def test_each_scope_allows_what_it_implies(
    guarded: TestClient, keys: ApiKeyStore, submission: Callable[..., Json]
) -> None:
    texts = {scope: keys.create(NewApiKey(scopes=[scope]))[1] for scope in Scope}

    looked = [guarded.get("/v1/jobs", headers=bearer(text)).status_code for text in texts.values()]
    submitted = [
        guarded.post("/v1/jobs", json=submission(), headers=bearer(text)).status_code for text in texts.values()
    ]

    assert looked == [200, 200, 200]
    assert submitted == [403, 202, 202]


def test_the_document_announces_that_a_key_is_needed_and_how_it_is_refused() -> None:
    for path, methods in documented_operations().items():
        for method, operation in methods.items():
            keyed = path.startswith("/v1/")
            assert operation.get("security") == ([{"key": []}] if keyed else None), path
            assert ({"401", "429"} <= operation["responses"].keys()) == keyed, path
            forbidding = path == "/metrics" or (keyed and method not in ("get", "head"))
            assert ("403" in operation["responses"]) == forbidding, path


# --- who guesses ------------------------------------------------------------------------------------------------------


def typo(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


ATTEMPTS: dict[str, Callable[[str], list[tuple[bytes, bytes]]]] = {
    "nothing": lambda _: [],
    "empty": lambda _: [(b"authorization", b"")],
    "scheme alone": lambda _: [(b"authorization", b"Bearer")],
    "another scheme": lambda text: [(b"authorization", b"Basic " + text.encode())],
    "no scheme": lambda text: [(b"authorization", text.encode())],
    "truncated": lambda text: [(b"authorization", b"Bearer " + text[:-1].encode())],
    "longer": lambda text: [(b"authorization", b"Bearer " + text.encode() + b"a")],
    "wrong checksum": lambda text: [(b"authorization", b"Bearer " + typo(text).encode())],
    "unknown": lambda _: [(b"authorization", b"Bearer " + new_key_text().encode())],
    "other case": lambda text: [(b"authorization", b"Bearer " + text.swapcase().encode())],
    "spaces before": lambda text: [(b"authorization", b"Bearer   " + text.encode())],
    "spaces within": lambda text: [(b"authorization", b"Bearer " + text[:20].encode() + b" " + text[20:].encode())],
    "twice": lambda text: [(b"authorization", b"Bearer " + text.encode())] * 2,
    "two keys": lambda text: [(b"authorization", b"Bearer " + text.encode() + b", Bearer " + text.encode())],
    "1 MB": lambda _: [(b"authorization", b"Bearer " + b"a" * 1_000_000)],
    "not ASCII": lambda text: [(b"authorization", b"Bearer " + text[:-1].encode() + "é".encode())],
    "not UTF-8": lambda _: [(b"authorization", b"\xff\xfe\x00")],
    "NUL": lambda text: [(b"authorization", b"Bearer " + text.encode() + b"\x00")],
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_every_guess_gets_the_same_answer(guarded: TestClient, keys: ApiKeyStore, attempt: str) -> None:
    _, text = keys.create(NewApiKey())
    assert guarded.get("/v1/jobs", headers=bearer(text)).status_code == 200

    answer = guarded.get("/v1/jobs", headers=ATTEMPTS[attempt](text))

    assert heard(answer) == heard(guarded.get("/v1/jobs", headers=bearer(new_key_text())))
    assert answer.status_code == 401


def heard(answer: object) -> tuple[int, Json, str]:
    """All that could tell one refusal from another."""
    body = {name: value for name, value in answer.json().items() if name != "instance"}
    return answer.status_code, body, answer.headers["WWW-Authenticate"]


@on_both_databases
@pytest.mark.parametrize("lost", ["revoked", "expired"])
def test_a_revoked_or_expired_key_is_refused_like_an_unknown_one(
    guarded: TestClient, keys: ApiKeyStore, engine: Engine, lost: str
) -> None:
    key, text = keys.create(NewApiKey(expires_days=1))
    assert guarded.get("/v1/jobs", headers=bearer(text)).status_code == 200

    if lost == "revoked":
        keys.revoke(key.id)
    else:
        with write_transaction(engine) as connection:
            connection.execute(update(table).values(expires_at=now(-1)))

    assert heard(guarded.get("/v1/jobs", headers=bearer(text))) == heard(guarded.get("/v1/jobs"))


def test_a_revoked_key_is_remembered_for_two_seconds_at_most(
    guarded: TestClient, keys: ApiKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "KEY_CACHE_SECONDS", 0.5)
    key, text = keys.create(NewApiKey())
    assert guarded.get("/v1/jobs", headers=bearer(text)).status_code == 200

    keys.revoke(key.id)

    until(lambda: guarded.get("/v1/jobs", headers=bearer(text)).status_code == 401, seconds=3)


def test_the_scheme_may_be_written_in_any_case(guarded: TestClient, keys: ApiKeyStore) -> None:
    _, text = keys.create(NewApiKey())

    assert guarded.get("/v1/jobs", headers={"Authorization": f"bEARER {text}"}).status_code == 200


def test_the_time_of_a_keys_last_use_is_recorded(guarded: TestClient, keys: ApiKeyStore) -> None:
    _, text = keys.create(NewApiKey())
    assert keys.all()[0].last_used_at is None

    guarded.get("/v1/jobs", headers=bearer(text))

    until(lambda: keys.all()[0].last_used_at is not None, seconds=5)


# --- open to all ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "refused"), [("127.0.0.1", False), ("::1", False), ("localhost", False),
                                               ("0.0.0.0", True), ("::", True), ("ted.example", True)])  # fmt: skip # noqa: S104
def test_keyless_access_is_allowed_on_loopback_only(host: str, refused: bool) -> None:
    settings = Settings(host=host, auth="open")

    if refused:
        with pytest.raises(OpenBeyondLoopback, match=host):
            check_keyless_access(settings, None)
    else:
        check_keyless_access(settings, None)
    check_keyless_access(settings.model_copy(update={"auth": "keys"}), None)


@pytest.mark.parametrize(("address", "refused"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
def test_keyless_access_depends_on_the_address_of_an_inherited_socket(address: str, refused: bool) -> None:
    with socket.socket() as listening:
        listening.bind((address, 0))

        if refused:
            with pytest.raises(OpenBeyondLoopback):
                check_keyless_access(Settings(auth="open"), [listening])
        else:
            check_keyless_access(Settings(auth="open", host="0.0.0.0"), [listening])  # noqa: S104


def test_a_process_open_to_the_network_does_not_start(tmp_path: Path) -> None:
    environment = os.environ | {"TED_HOME": str(tmp_path), "TED_AUTH": "open", "TED_HOST": "0.0.0.0"}  # noqa: S104

    ended = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert "TED_AUTH=keys" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


# --- what the log tells -----------------------------------------------------------------------------------------------

CANARY = "whsec_CanaryCanaryCanaryCanaryCanary0123456789"


def test_the_log_names_key_and_tenant_and_holds_no_secret_at_any_level(
    settings: Settings, keys: ApiKeyStore, engine: Engine, tmp_path: Path, submission: Callable[..., Json]
) -> None:
    key, text = keys.create(NewApiKey(tenant="vision"))
    lost = new_key_text()
    with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "api.log").open("wb") as log:
        environment = {
            "TED_HOME": str(settings.home),
            "TED_DATABASE_URL": settings.database,
            "TED_DATASET_ROOTS": str(settings.dataset_roots[0]),
            "TED_LISTEN_FD": str(listener.fileno()),
            "TED_LOG_LEVEL": "DEBUG",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        job_id = everything_a_client_may_get_wrong(url, text, lost, submission)
        with write_transaction(engine) as connection:
            connection.execute(update(jobs).values(progress={"phase": 3}))
        failed = request(url, f"/v1/jobs/{job_id}?key={text}", text, headers={"X-Secret": CANARY})
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)

    told = (tmp_path / "api.log").read_text()
    assert failed == 500
    assert "Traceback" in told
    assert f'"key_id": "{key.id}"' in told and '"tenant": "vision"' in told
    assert [secret for secret in (text, lost, CANARY, keys.digest(text), text[4:]) if secret in told] == []
    records = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert any(record.get("key_id") == key.id and record.get("tenant") == "vision" for record in records)


def request(url: str, path: str, text: str, *, headers: Json | None = None, **options: object) -> int:
    with httpx.Client(base_url=url, timeout=30) as client:
        method = "POST" if options else "GET"
        return client.request(method, path, headers={**bearer(text), **(headers or {})}, **options).status_code


def everything_a_client_may_get_wrong(url: str, text: str, lost: str, submission: Callable[..., Json]) -> str:
    """Put secrets wherever a client may; returns the id of a job that was taken."""
    taken = httpx.post(f"{url}/v1/jobs", headers=bearer(text), json=submission(), timeout=30)
    assert taken.status_code == 202
    for shown in (lost, CANARY, f"{text} {text}", text[:-1]):
        assert request(url, "/v1/jobs", shown) == 401
    for path in (f"/v1/jobs/{text}", f"/v1/jobs?after={lost}", f"/v1/jobs?key={CANARY}", f"/{CANARY}/{lost}"):
        assert request(url, path, text) in (404, 422)
    for body in (submission(metadata={text: CANARY}), {"dataset": CANARY, lost: text}, [CANARY, text]):
        request(url, "/v1/jobs", text, json=body)
    for content in (f'{{"{text}": {CANARY}', CANARY, lost):
        assert request(url, "/v1/jobs", text, content=content, headers={"Content-Type": "application/json"}) == 400
    httpx.post(f"{url}/v1/jobs", content=CANARY, headers={**bearer(text), "Content-Type": text})
    httpx.get(f"{url}/v1/jobs", headers={"Authorization": text, "X-Request-ID": "shown", "Cookie": CANARY})
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(f"GET /{text} HTTP/9.9\r\nAuthorization: {CANARY}\r\nbroken{lost}\r\n\r\n".encode())
        connection.recv(1000)
    return str(taken.json()["id"])


def test_the_canary_and_a_new_key_match_the_secret_pattern() -> None:
    assert is_well_formed_key(new_key_text())
    assert SECRET_PATTERN.sub("", f"a{new_key_text()}b{CANARY}") == "ab"
