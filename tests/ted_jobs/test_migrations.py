"""The migrations make the tables that the code describes."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select

from ted_jobs.database import now, reading
from ted_jobs.migrations import upgrade
from ted_jobs.tables import metadata


def test_migrated_tables_equal_the_described_ones(engine: Engine) -> None:
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    upgrade(engine)


def test_the_databases_clock_counts_in_utc_and_in_both_directions(engine: Engine) -> None:
    with reading(engine) as connection:
        before, present, after = connection.execute(select(now(-60), now(), now(60))).one()

    assert round((present - before).total_seconds()) == 60
    assert round((after - present).total_seconds()) == 60
    assert present.utcoffset().total_seconds() == 0
