"""Writers that share a database file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ted_jobs.db import engine as database
from ted_jobs.db.counters import increment_counter
from ted_jobs.db.engine import read_transaction, write_transaction
from ted_jobs.db.tables import tallies
from tests.servers.databases import DATABASES, migrated


def test_threads_of_one_process_wait_for_each_other_instead_of_polling_sqlites_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(engine: Engine) -> None:
        for _ in range(20):
            with write_transaction(engine) as connection:
                increment_counter(connection, "things")

    monkeypatch.setattr(database, "SQLITE_PRAGMAS", (*database.SQLITE_PRAGMAS, "PRAGMA busy_timeout=0"))
    with DATABASES["sqlite"](tmp_path) as url, migrated(url) as engine, ThreadPoolExecutor(8) as threads:
        for written in [threads.submit(write, engine) for _ in range(8)]:
            written.result()

        with read_transaction(engine) as connection:
            assert connection.scalar(select(func.count()).select_from(tallies)) == 8 * 20


def test_a_write_lock_that_is_not_released_is_left_to_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with DATABASES["sqlite"](tmp_path) as url, migrated(url) as engine:
        turn = engine.get_execution_options()["write_lock"]
        with turn:
            with write_transaction(engine) as connection:
                increment_counter(connection, "things")

            assert turn.locked()
