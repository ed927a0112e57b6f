"""Tenants cannot see one another: every operation that the API documents is tried by a stranger.

A new operation is tried as well; where the test cannot tell how to fill in its path or its body, it fails until
``STRANGERS`` or ``BODIES`` say so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from ted_core.results import report_builder
from ted_core.results.suspects.listing import SUSPECTS_SCHEMA
from ted_jobs.api_keys.store import ApiKeyStore, NewApiKey
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings
from tests.reports import a_report
from tests.service.conftest import Json, bearer, documented_operations, on_both_databases
from tests.ted_jobs.successes import succeed

CANARY = "canary"
HOOK = f"http://127.0.0.1:9/{CANARY}"
REPEAT = {"Idempotency-Key": "the same for both"}

STRANGERS: Mapping[tuple[str, str], str] = {
    ("jobs", "job_id"): "job_" + 28 * "0",
    ("datasets", "name"): "nobodys",
    ("proxies", "name"): "nobodys",
    ("webhooks", "webhook_id"): "wh_" + 28 * "0",
    ("webhooks", "delivery_id"): "msg_" + 28 * "0",
}
"""For each parameter of a path something that looks right and that nobody has."""

BODIES: Mapping[str, Callable[[Json, str], Json]] = {
    "submit_job": lambda job, _: job,
    "register_dataset": lambda job, name: {"name": name, **job["dataset"]},
    "register_proxy": lambda _, name: {"name": name, "proxy": {"name": "cnn"}},
    "register_webhook": lambda _, name: {"url": HOOK.replace(CANARY, name)},
    "change_webhook": lambda *_: {"enabled": False},
}
"""For each operation that wants a body one that is right, from that of a job and a name."""


RESULT = {
    "rows_in": 40,
    "rows_kept": 24,
    "achieved_ratio": 0.6,
    "dataset_fingerprint": CANARY,
    "indices_sha256": 64 * "0",
    "content_sha256": 64 * "0",
    "q": {"value": 1.0, "chosen_by": "the client"},
    "cost": {"rows_trained": 1, "rows_measured": 1, "full_run_rows": 1, "of_one_full_run": 1.0, "seconds": 1.0},
}


@dataclass(frozen=True)
class Estate:
    """A tenant's key, and what it owns, by the parameters of paths."""

    headers: Mapping[str, str]
    owned: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Operation:
    """One thing that the API documents below /v1."""

    name: str
    method: str
    path: str
    wants_body: bool

    def at(self, owned: Mapping[tuple[str, str], str]) -> str:
        """Its path, filled in."""
        kind = self.path.split("/")[2]
        return re.sub(r"\{(\w+)\}", lambda found: owned[kind, found[1]], self.path)


def operations() -> Iterator[Operation]:
    for path, methods in documented_operations().items():
        for method, facts in methods.items():
            if path.startswith("/v1/"):
                yield Operation(facts["operationId"], method.upper(), path, "requestBody" in facts)


OPERATIONS = list(operations())
OF_ONE_THING = [operation for operation in OPERATIONS if "{" in operation.path]
OF_ALL = [operation for operation in OPERATIONS if "{" not in operation.path]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_targets": "loopback"})


@pytest.fixture
def stranger(keys: ApiKeyStore) -> Mapping[str, str]:
    """Another tenant's key."""
    return bearer(keys.create(NewApiKey(tenant="stranger"))[1])


@pytest.fixture(params=["succeeded", "queued"])
def estate(
    request: pytest.FixtureRequest,
    guarded: TestClient,
    keys: ApiKeyStore,
    leases: Leases,
    settings: Settings,
    tmp_path: Path,
    submission: Callable[..., Json],
) -> Estate:
    """One of everything, and a job that has succeeded or waits."""
    headers = bearer(keys.create(NewApiKey(tenant="owner"))[1])
    job = submission(metadata={"team": CANARY})

    def made(path: str, operation: str | None = None, **more: str) -> Json:
        body = BODIES[operation](job, CANARY) if operation else None
        answer = guarded.post(path, json=body, headers=headers | more)
        assert answer.is_success, answer.text
        return answer.json()

    job_id = made("/v1/jobs", "submit_job", **REPEAT)["id"]
    if request.param == "succeeded":
        succeed(job_id, files_of_a_job(tmp_path), leases=leases, artifacts=settings.artifacts, result=RESULT)
    made("/v1/datasets", "register_dataset")
    made("/v1/proxies", "register_proxy")
    hook = made("/v1/webhooks", "register_webhook")["id"]
    owned = {
        ("jobs", "job_id"): job_id,
        ("datasets", "name"): CANARY,
        ("proxies", "name"): CANARY,
        ("webhooks", "webhook_id"): hook,
        ("webhooks", "delivery_id"): made(f"/v1/webhooks/{hook}/ping")["id"],
    }
    return Estate(headers, owned)


def files_of_a_job(folder: Path) -> dict[str, Path]:
    files = {"report": report_builder.write_report(folder, a_report())}
    for kind in ("manifest", "decisions"):
        files[kind] = folder / kind
        files[kind].write_bytes(CANARY.encode())
    files["suspects"] = folder / "suspects"
    pq.write_table(SUSPECTS_SCHEMA.empty_table(), files["suspects"])
    return files


@pytest.fixture
def ask(guarded: TestClient, submission: Callable[..., Json]) -> Callable[..., httpx2.Response]:
    """Send an operation's request, with a body where it wants one."""

    def send(operation: Operation, path: str, headers: Mapping[str, str], **options: object) -> httpx2.Response:
        body = {"json": BODIES[operation.name](submission(), "mine")} if operation.wants_body else {}
        return guarded.request(operation.method, path, headers=dict(headers), follow_redirects=False, **body, **options)

    return send


def without(answer: httpx2.Response, ids: Mapping[tuple[str, str], str]) -> tuple[int, str]:
    """Status and body, but for what the client itself has sent and for what differs between any two requests."""
    text = re.sub(r'urn:ted:request:\w+|"unattended_seconds":[\d.]+', "", answer.text)
    for sent in ids.values():
        text = text.replace(sent, "…")
    return answer.status_code, text


def test_the_table_knows_every_parameter_and_body() -> None:
    for operation in OPERATIONS:
        assert operation.at(STRANGERS).startswith("/v1/")
        assert not operation.wants_body or operation.name in BODIES, operation


@on_both_databases
def test_another_tenants_things_look_like_things_that_do_not_exist(
    ask: Callable[..., httpx2.Response], estate: Estate, stranger: Mapping[str, str]
) -> None:
    looks = [operation for operation in OF_ONE_THING if operation.method == "GET"]
    before = {look.name: without(ask(look, look.at(estate.owned), estate.headers), {}) for look in looks}

    for operation in OF_ONE_THING:
        theirs = ask(operation, operation.at(estate.owned), stranger)
        nobodys = ask(operation, operation.at(STRANGERS), stranger)

        assert theirs.status_code == 404, operation
        assert without(theirs, estate.owned) == without(nobodys, STRANGERS), operation

    after = {look.name: without(ask(look, look.at(estate.owned), estate.headers), {}) for look in looks}
    assert {status for status, _ in before.values()} <= {200, 409}  # files of a job that waits
    assert after == before


@pytest.mark.parametrize("form", ["text/event-stream", "text/html", "application/vnd.apache.parquet"])
def test_other_media_types_do_not_tell_them_apart_either(
    ask: Callable[..., httpx2.Response], estate: Estate, stranger: Mapping[str, str], form: str
) -> None:
    for operation in (one for one in OF_ONE_THING if one.method == "GET"):
        answer = ask(operation, operation.at(estate.owned), {**stranger, "Accept": form})

        assert answer.status_code == 404, operation


def test_lists_and_creations_reveal_nothing_of_another_tenant(
    ask: Callable[..., httpx2.Response], estate: Estate, stranger: Mapping[str, str]
) -> None:
    for operation in OF_ALL:
        answer = ask(operation, operation.path, {**stranger, **REPEAT})

        assert answer.is_success, answer.text
        assert [secret for secret in (CANARY, *estate.owned.values()) if secret in answer.text] == [], operation
        assert "Idempotent-Replayed" not in answer.headers


def test_the_owners_lists_show_what_a_strangers_do_not(ask: Callable[..., httpx2.Response], estate: Estate) -> None:
    lists = [operation for operation in OF_ALL if operation.method == "GET"]

    shown = "".join(ask(operation, operation.path, estate.headers).text for operation in lists)

    ids = [owned for (_, name), owned in estate.owned.items() if name != "delivery_id"]
    assert [owned for owned in ids if owned not in shown] == []


def test_no_cursor_or_filter_reaches_another_tenants_jobs(
    ask: Callable[..., httpx2.Response], estate: Estate, stranger: Mapping[str, str]
) -> None:
    for operation in (one for one in OF_ALL if one.method == "GET"):
        kind = operation.path.split("/")[2]
        ids = {where: owned for where, owned in estate.owned.items() if where[0] == kind}
        for where, owned in ids.items():
            theirs = ask(operation, operation.path, stranger, params={"after": owned})
            nobodys = ask(operation, operation.path, stranger, params={"after": STRANGERS[where]})

            assert without(theirs, estate.owned) == without(nobodys, STRANGERS), operation
        filtered = ask(operation, operation.path, stranger, params={"metadata[team]": CANARY})
        assert filtered.status_code == 422 or CANARY not in filtered.text, operation


@pytest.mark.parametrize("section", ["dataset", "proxy"])
def test_a_job_cannot_use_another_tenants_names(
    guarded: TestClient, estate: Estate, stranger: Mapping[str, str], submission: Callable[..., Json], section: str
) -> None:
    by_name = submission() | {section: {"name": CANARY}}

    assert guarded.post("/v1/jobs", json=by_name, headers=dict(stranger)).status_code == 422
    assert guarded.post("/v1/jobs", json=by_name, headers=dict(estate.headers)).status_code == 202
