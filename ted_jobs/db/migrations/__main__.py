"""Bring the configured database to the newest schema."""

from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.settings import Settings

if __name__ == "__main__":
    upgrade(make_engine(Settings().database))
