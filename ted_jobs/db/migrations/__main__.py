"""Bring the configured database to the newest schema."""

import sys
from contextlib import suppress

from sqlalchemy.exc import DBAPIError

from ted_core.storage.private_files import keep_new_files_private
from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.secret_files import protect
from ted_jobs.settings import Settings


def main() -> None:
    """Upgrade the database and let nobody else read it; an error that the operator can fix is one line."""
    keep_new_files_private()
    settings = Settings()
    try:
        upgrade(make_engine(settings.database))
    except (DBAPIError, OSError) as error:
        reason = getattr(error, "orig", error)
        sys.exit(
            f"The database cannot be used ({reason}). Check TED_DATABASE_URL, that it answers, and its disk's room."
        )
    with suppress(PermissionError):  # another user's, of which `ted doctor` warns
        protect(settings)


if __name__ == "__main__":
    main()
