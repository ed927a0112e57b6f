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
TABLE_LOCK_SECONDS = 10
"""How long a migration waits for a table; much shorter than leases, which cannot be renewed meanwhile."""


def revision(engine: Engine) -> str | None:
    """Return the database's revision; None before its first migration."""
    with read_transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the newest revision, the one that this code needs."""
    newest = ScriptDirectory(FOLDER).get_current_head()
    assert newest, "there is a first migration"  # noqa: S101
    return newest


def upgrade(engine: Engine, *, to: str = "head") -> None:
    """Upgrade the database to the newest revision, or to another, in one transaction.

    Of two processes, one waits for the other. Raises OperationalError if somebody else, such as a backup, uses a table
    for too long: whoever wants to write would have to wait as well.
    """
    config = Config()
    config.set_main_option("script_location", FOLDER)
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
            connection.execute(select(func.set_config("lock_timeout", f"{TABLE_LOCK_SECONDS}s", True)))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
