"""The history of the database schema. ``python -m ted_jobs.db.migrations`` upgrades a database to its head."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, select

from ted_jobs.db.engine import read_transaction, write_transaction

FOLDER = str(Path(__file__).parent)
LOCK = int.from_bytes(b"ted-jobs")
"""PostgreSQL's advisory lock for migrating."""


def revision(engine: Engine) -> str | None:
    """Return the database's revision; None before its first migration."""
    with read_transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the newest revision, the one that this code needs."""
    newest = ScriptDirectory(FOLDER).get_current_head()
    assert newest, "there is a first migration"  # noqa: S101
    return newest


def upgrade(engine: Engine) -> None:
    """Upgrade the database to the newest revision, in one transaction. Of two processes, one waits for the other."""
    config = Config()
    config.set_main_option("script_location", FOLDER)
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
