"""Bring the configured database to the newest schema."""

from ted_jobs.database import connect
from ted_jobs.migrations import upgrade
from ted_jobs.settings import Settings

if __name__ == "__main__":
    upgrade(connect(Settings().database))
