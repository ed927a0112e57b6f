"""Whether a sweeper is there: a lock that each one holds and that ends with its process. Nothing is written for it.

In PostgreSQL it is an advisory lock, beside SQLite a lock on a file. All sweepers share it: which of them leads is
another matter. A suspended one still counts as there.
"""

import fcntl
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

NAME = {"space": int.from_bytes(b"ted"), "role": int.from_bytes(b"swp")}
"""The two numbers of PostgreSQL's lock."""
LOCK = text("SELECT pg_advisory_lock_shared(CAST(:space AS integer), CAST(:role AS integer))").bindparams(**NAME)
IS_LOCKED = text(
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE locktype = 'advisory' AND objsubid = 2 AND classid = :space AND objid = :role"
    " AND datname = current_database())"
).bindparams(**NAME)
GIVE_UP_LOST_MACHINES = text(
    "SELECT set_config('tcp_keepalives_idle', '15', false), set_config('tcp_keepalives_interval', '5', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
"""The server's own default, two hours, is how long a sweeper would count as there whose machine is gone."""


class Presence(Protocol):
    """A sweeper's lock."""

    def renew(self) -> None:
        """Take the lock, unless it is held. Called again and again: a server that restarts forgets it."""

    def close(self) -> None:
        """Give the lock up."""


class FileLock:
    """A lock on a file beside the database."""

    def __init__(self, engine: Engine) -> None:
        self._path = _lock_file(engine)
        self._file: TextIO | None = None

    def renew(self) -> None:
        """Take the lock; who looks whether it is held has it for an instant. Raises OSError."""
        self._file = self._file or self._path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        """Give the lock up."""
        if self._file:
            self._file.close()


class AdvisoryLock:
    """A lock of a connection's, which counts how often it was taken."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def renew(self) -> None:
        """Take the lock, over a new connection if the last one is lost. Raises DBAPIError."""
        try:
            self._connection = self._connection or self._connect()
            self._connection.execute(LOCK)
        except DBAPIError:
            self.close()
            raise

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        connection.execute(GIVE_UP_LOST_MACHINES)
        return connection

    def close(self) -> None:
        """Give the lock up, with the connection: in the pool it would keep it."""
        if self._connection:
            with suppress(DBAPIError):
                self._connection.invalidate()
            self._connection.close()
            self._connection = None


PRESENCES: Mapping[str, Callable[[Engine], Presence]] = {"sqlite": FileLock, "postgresql": AdvisoryLock}


def presence(engine: Engine) -> Presence:
    """Return the lock of a sweeper that uses this database, not taken yet."""
    return PRESENCES[engine.dialect.name](engine)


def is_sweeper_present(connection: Connection) -> bool:
    """Return whether any sweeper holds its lock."""
    if connection.dialect.name == "postgresql":
        return bool(connection.scalar(IS_LOCKED))
    with suppress(FileNotFoundError), _lock_file(connection.engine).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_file(engine: Engine) -> Path:
    return Path(f"{engine.url.database}-sweeper")
