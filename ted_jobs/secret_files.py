"""The files of an installation that hold secrets: webhooks' in the database, and the one that keys are hashed with."""

from pathlib import Path

from sqlalchemy.engine import make_url

from ted_core.storage.private_files import is_exposed, make_private
from ted_jobs.api_keys.secret import FILE_NAME
from ted_jobs.settings import Settings

SQLITE_SUFFIXES = ("", "-wal", "-shm")


def exposed_files(settings: Settings) -> list[Path]:
    """Return those that others than their owner may read or write."""
    return [path for path in (*_database_files(settings.database), settings.home / FILE_NAME) if is_exposed(path)]


def protect(settings: Settings) -> None:
    """Let only their owner read them. Raises PermissionError if they belong to another user."""
    for path in exposed_files(settings):
        make_private(path)


def _database_files(database: str) -> list[Path]:
    url = make_url(database)
    if url.get_backend_name() != "sqlite" or not url.database:
        return []
    return [Path(url.database + suffix) for suffix in SQLITE_SUFFIXES]
