"""A sweeper is there as long as its process is, and nothing is written to say so; on both databases."""

from contextlib import closing

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ted_jobs.db.presence import presence
from ted_jobs.metrics_snapshot import metrics_snapshot


def test_a_sweeper_counts_as_present_until_the_last_one_has_ended(engine: Engine) -> None:
    seen = [metrics_snapshot(engine).is_sweeper_present]

    with closing(presence(engine)) as first:
        first.renew()
        with closing(presence(engine)) as second:
            second.renew()
            first.close()
            seen.append(metrics_snapshot(engine).is_sweeper_present)
        seen.append(metrics_snapshot(engine).is_sweeper_present)

    assert seen == [False, True, False]


def test_a_sweeper_is_present_again_after_its_connection_was_lost(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no network away")
    with closing(presence(engine)) as lock:
        lock.renew()
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(DBAPIError):
            lock.renew()
        lock.renew()

        assert metrics_snapshot(engine).is_sweeper_present
