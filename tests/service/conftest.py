"""The service in this process, on a migrated database, with a folder of datasets that it may read."""

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select
from starlette.types import Receive, Send

from service.app import create_app
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import events, idempotency, jobs, outbox
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.databases import DATABASES, migrated
from tests.servers.inspections import processes, share_processes  # noqa: F401 - fixtures
from tests.service import datasets

Json = dict[str, Any]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder that datasets may lie in."""
    folder = tmp_path_factory.mktemp("data")
    datasets.write(folder)
    return folder


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh SQLite file; under ``on_both_databases`` also of a PostgreSQL database."""
    with DATABASES[getattr(request, "param", "sqlite")](tmp_path) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, data: Path, database: str) -> Settings:
    return Settings(home=tmp_path, database_url=database, dataset_roots=(data,), auth="open")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with migrated(settings.database) as engine:
        yield engine


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine)


@pytest.fixture
def client(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """A client of the running service. Whatever it is answered, the OpenAPI document must have announced."""
    with TestClient(create_app(settings)) as client:
        client.event_hooks = {"response": [must_be_documented]}
        yield client


@pytest.fixture
def keys(settings: Settings, engine: Engine) -> ApiKeyStore:
    """The keys of the service that ``guarded`` reaches."""
    return ApiKeyStore(engine, secret=key_secret(settings))


@pytest.fixture
def guarded(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """A client, without a key, of a running service that asks for one."""
    with TestClient(create_app(settings.model_copy(update={"auth": "keys"}))) as client:
        client.event_hooks = {"response": [must_be_documented]}
        yield client


def submit_by_hand(settings: Settings, receive: Receive, send: Send, **headers: str) -> None:
    """POST /v1/jobs, message by message: the test client would join the chunks, and never leaves."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/jobs", "headers": named, "query_string": b""}

    async def sent() -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app) as state:
            await app(scope | {"state": state}, receive, send)

    asyncio.run(sent())


def bearer(text: str) -> dict[str, str]:
    """The header that shows this key."""
    return {"Authorization": f"Bearer {text}"}


def must_be_documented(response: httpx2.Response) -> None:
    for path, operations in documented_operations().items():
        method = response.request.method.lower()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), response.request.url.path) and method in operations:
            assert str(response.status_code) in operations[method]["responses"], f"{method} {path}"


@cache
def documented_operations() -> Json:
    return create_app(Settings()).openapi()["paths"]


@pytest.fixture
def submission(data: Path) -> Callable[..., Json]:
    """The body of a request that is right but for what the test changes, given as ``section={field: value}``."""

    def body(file: str = "images.parquet", /, **sections: Any) -> Json:
        right = {
            "dataset": {"uri": f"{data}/{file}", "task": "image-classification"},
            "proxy": {"name": "cnn"},
            "plan": {"keep_ratio": 0.6},
        }
        merged = {
            name: right[name] | value if name in right and isinstance(value, dict) else value
            for name, value in sections.items()
        }
        return right | merged

    return body


@pytest.fixture
def rows(engine: Engine) -> Callable[[], dict[str, int]]:
    """How many rows the tables hold that a submission writes to."""

    def count() -> dict[str, int]:
        with read_transaction(engine) as connection:
            tables = (jobs, events, outbox, idempotency)
            return {table.name: connection.scalar(select(func.count()).select_from(table)) for table in tables}

    return count


on_both_databases = pytest.mark.parametrize("database", DATABASES, indirect=True)


@pytest.fixture
def must_refuse(rows: Callable[[], dict[str, int]]) -> Callable[..., None]:
    """Check that an answer is the problem that was expected, and that the request left nothing behind."""

    def check(response: httpx2.Response, *, code: str, field: str | None, says: str, status: int = 422) -> None:
        problem = response.json()
        assert (response.status_code, problem["code"]) == (status, code), problem
        assert response.headers["Content-Type"] == "application/problem+json"
        assert (problem["type"], problem["status"]) == (f"urn:ted:problem:{code}", status)
        assert problem["instance"] == f"urn:ted:request:{response.headers['X-Request-ID']}"
        assert {error["field"] for error in problem["errors"]} == ({field} if field else set())
        assert says in "\n".join([problem["detail"], *(error["message"] for error in problem["errors"])])
        assert set(rows().values()) == {0}

    return check
