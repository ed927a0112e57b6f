"""The database schema's history. ``python -m ted_jobs.migrations`` brings a database to the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from ted_jobs.database import writing


def upgrade(engine: Engine) -> None:
    """Make or bring up to date every table, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
