"""The migrations make the tables that the code describes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import OperationalError

from ted_jobs.db import migrations
from ted_jobs.db.engine import make_engine, now, read_transaction
from ted_jobs.db.migrations import head, revision, upgrade
from ted_jobs.db.tables import deliveries, metadata
from ted_jobs.jobs.filter import JobCriteria
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.metrics_snapshot import metrics_snapshot
from tests.servers.databases import DATABASES, postgresql_url
from tests.ted_jobs.conftest import SPEC, SUMMARY

RELEASED = "0004"
"""The revision of the release before: its processes may run on beside new ones."""
BEFORE_LONG_HISTORIES = "0007"


def test_migrations_create_exactly_the_described_tables(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    upgrade(engine)


@pytest.mark.parametrize("database", DATABASES)
def test_older_processes_can_read_and_write_the_newer_tables(database: str, tmp_path: Path) -> None:
    with DATABASES[database](tmp_path) as url:
        engine = make_engine(url)
        upgrade(engine, to=RELEASED)
        before = columns(engine)
        upgrade(engine)
        after = columns(engine)
        engine.dispose()

    kept = {name: column for name, column in after.items() if name in before}
    added = [
        column for name, column in after.items() if name not in before and name[0] in {table for table, _ in before}
    ]
    assert kept == before
    assert all(column.may_be_left_out for column in added)


@pytest.mark.parametrize("database", DATABASES)
def test_an_old_database_keeps_its_jobs_and_lists_and_counts_them_as_before(database: str, tmp_path: Path) -> None:
    with DATABASES[database](tmp_path) as url:
        engine = make_engine(url)
        upgrade(engine, to=BEFORE_LONG_HISTORIES)
        store = JobStore(engine)
        labelled = SPEC.model_copy(update={"metadata": {"project": "owls", "stage": "Zoë's"}})
        kept = [store.submit(spec, SUMMARY, tenant="default").job.id for spec in (SPEC, SPEC, labelled)]
        store.cancel(kept[1], tenant="default")

        upgrade(engine)

        assert [job.id for job in store.jobs(tenant="default", limit=9)] == kept[::-1]
        cancelled = JobCriteria(statuses=[JobStatus.CANCELLED, JobStatus.FAILED])
        assert [job.id for job in store.jobs(tenant="default", limit=9, criteria=cancelled)] == [kept[1]]
        by_labels = JobCriteria(statuses=[JobStatus.QUEUED], metadata={"project": "owls", "stage": "Zoë's"})
        assert [job.id for job in store.jobs(tenant="default", limit=9, criteria=by_labels)] == [kept[2]]
        counted = metrics_snapshot(engine).jobs
        assert {status: count for status, count in counted.items() if count} == {"queued": 2, "cancelled": 1}
        engine.dispose()


@dataclass(frozen=True)
class DatabaseColumn:
    """A column as the database describes it."""

    type: str
    may_be_left_out: bool


def columns(engine: Engine) -> dict[tuple[str, str], DatabaseColumn]:
    """Return every column by its table's name and its own."""
    tables = inspect(engine).get_multi_columns()
    return {
        (table, column["name"]): DatabaseColumn(
            str(column["type"]), column["nullable"] or column["default"] is not None
        )
        for (_, table), described in tables.items()
        for column in described
    }


@pytest.mark.parametrize("database", DATABASES)
def test_processes_that_migrate_at_the_same_time_wait_for_each_other(database: str, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "ted_jobs.db.migrations")
    with DATABASES[database](tmp_path) as url:
        migrating = [subprocess.Popen(command, env=os.environ | {"TED_DATABASE_URL": url}) for _ in range(3)]

        assert [process.wait(60) for process in migrating] == [0, 0, 0]
        engine = make_engine(url)
        assert revision(engine) == head()
        engine.dispose()


def test_a_migration_gives_up_on_a_table_that_somebody_else_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "TABLE_LOCK_SECONDS", 1)
    with postgresql_url(tmp_path) as url:
        engine = make_engine(url)
        upgrade(engine, to=RELEASED)
        with engine.begin() as backup:
            backup.execute(select(deliveries.c.id))
            with pytest.raises(OperationalError, match="lock timeout"):
                upgrade(engine)
            assert revision(engine) == RELEASED

        upgrade(engine)

        assert revision(engine) == head()
        engine.dispose()


def test_the_databases_clock_counts_in_utc_and_in_both_directions(engine: Engine) -> None:
    with read_transaction(engine) as connection:
        before, present, after = connection.execute(select(now(-60), now(), now(60))).one()

    assert round((present - before).total_seconds()) == 60
    assert round((after - present).total_seconds()) == 60
    assert present.utcoffset().total_seconds() == 0


def test_a_network_that_drops_every_packet_does_not_block_for_ever(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no network away")
    with engine.connect() as connection:
        parameters = connection.connection.dbapi_connection.info.get_parameters()

    assert (
        int(parameters["keepalives_idle"])
        + int(parameters["keepalives_interval"]) * int(parameters["keepalives_count"])
        <= 60
    )
    assert int(parameters["tcp_user_timeout"]) <= 60_000
