"""Bring the configured database to the newest schema."""

from ted_jobs.db.engine import connect
from ted_jobs.db.migrations import upgrade
from ted_jobs.settings import Settings

if __name__ == "__main__":
    upgrade(connect(Settings().database))
