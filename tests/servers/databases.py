"""A fresh database per test, on SQLite and, if a server answers, on PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade

POSTGRES = os.environ.get("TED_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


@contextmanager
def sqlite_url(folder: Path) -> Iterator[str]:
    """Yield the URL of a new SQLite file."""
    yield f"sqlite:///{folder / 'ted.db'}"


@contextmanager
def postgresql_url(_: Path) -> Iterator[str]:
    """Yield the URL of a new PostgreSQL database, dropped afterwards; skip the test if no server answers."""
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    name = f"ted_test_{uuid.uuid4().hex[:12]}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        pytest.skip("no PostgreSQL answers; set TED_TEST_POSTGRES_URL to test against one")
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


DATABASES = {"sqlite": sqlite_url, "postgresql": postgresql_url}


@contextmanager
def migrated(url: str) -> Iterator[Engine]:
    """Yield the database at this URL, with its tables created."""
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()
