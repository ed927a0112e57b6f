"""Both clients, one after the other, and a real service for them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service.app import create_app
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from tests.servers.databases import DATABASES, migrated
from tests.servers.inspections import processes, share_processes  # noqa: F401 - fixtures
from tests.servers.stacks import until
from tests.service import datasets
from tests.ted_client.scripted import KINDS, Make, blocking


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a client; the test runs with each kind."""
    with blocking(request.param) as make:
        yield make


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Of a service on a fresh database, which may read ``tmp_path/data``."""
    data = tmp_path / "data"
    data.mkdir()
    datasets.write(data)
    with DATABASES["sqlite"](tmp_path) as url:
        yield Settings(
            home=tmp_path,
            database_url=url,
            dataset_roots=(data,),
            dataset_roots_file=tmp_path / "dataset-roots",
            auth="open",
            webhook_targets="loopback",
        )


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
def url(settings: Settings, engine: Engine) -> Iterator[str]:
    """Of the service, which runs in a thread, and whose log nobody takes for a command's output."""
    with capture_logs():
        server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()
