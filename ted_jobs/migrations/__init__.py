"""The database schema's history. ``python -m ted_jobs.migrations`` brings a database to the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from ted_jobs.database import reading, writing

FOLDER = str(Path(__file__).parent)


def revision(engine: Engine) -> str | None:
    """The database's place in the history; None before its first migration."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest place in the history, the one that this code needs."""
    newest = ScriptDirectory(FOLDER).get_current_head()
    assert newest, "there is a first migration"  # noqa: S101
    return newest


def upgrade(engine: Engine) -> None:
    """Make or bring up to date every table, in one transaction."""
    config = Config()
    config.set_main_option("script_location", FOLDER)
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
