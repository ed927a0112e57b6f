"""The database schema's history. ``python -m ted_jobs.db.migrations`` brings a database to the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, select

from ted_jobs.db.engine import read_transaction, write_transaction

FOLDER = str(Path(__file__).parent)
LOCK = int.from_bytes(b"ted-jobs")
"""PostgreSQL's name for the right to migrate."""


def revision(engine: Engine) -> str | None:
    """The database's place in the history; None before its first migration."""
    with read_transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest place in the history, the one that this code needs."""
    newest = ScriptDirectory(FOLDER).get_current_head()
    assert newest, "there is a first migration"  # noqa: S101
    return newest


def upgrade(engine: Engine) -> None:
    """Make or bring up to date every table, in one transaction. A second process that does so waits for the first."""
    config = Config()
    config.set_main_option("script_location", FOLDER)
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
