"""Connections to SQLite and PostgreSQL that behave alike, and the database's own clock."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, DateTime, Engine, Float, create_engine, event, literal
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

BUSY_SECONDS = 30
SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an acknowledged job survives power loss
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA foreign_keys=ON",
)

POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""After how long PostgreSQL counts as unreachable: seconds, and milliseconds in the last. Without them, a network that
drops every packet would block for hours."""

# Failed statements are logged; their parameters, which clients have sent, are not.
POOL_OPTIONS: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "hide_parameters": True}

READ_ONLY_SQLSTATE = "25006"
"""PostgreSQL's code for a write that is refused because the server is not, or no longer, the primary."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC, whatever the database stores."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value as it is stored."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value as it is read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class now(FunctionElement[datetime]):  # noqa: N801 — reads as the SQL function that it is
    """The database's time at the statement's start, ``seconds`` from now. Workers' clocks differ; leases need one.

    Within a statement it is constant: PostgreSQL searches no index for a time that may differ from row to row.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: float = 0) -> None:
        super().__init__(literal(float(seconds), Float))


@compiles(now, "sqlite")
def _sqlite_now(element: now, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(now, "postgresql")
def _postgresql_now(element: now, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + make_interval(secs => {seconds}))"


def make_engine(url: str) -> Engine:
    """Return an engine for :func:`read_transaction` and :func:`write_transaction`; SQLite's folder is created."""
    database_url = make_url(url)
    if database_url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, Path(database_url.database or ""))
    if database_url.drivername == "postgresql":
        database_url = database_url.set(drivername="postgresql+psycopg")
    return create_engine(database_url, pool_pre_ping=True, connect_args=POSTGRESQL_TIMEOUTS, **POOL_OPTIONS)


def _sqlite_engine(url: str, path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Waiting for SQLite's own lock means polling it every 100 ms; the threads of one process can do better.
    engine = create_engine(url, execution_options={"write_lock": Lock()}, **POOL_OPTIONS)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours to send
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading later can fail with "database is locked" in spite of the busy timeout.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # It cannot fail, so it goes past SQLAlchemy, whose error handling takes longer than reading a job.
        connection.connection.execute("BEGIN")


def read_transaction(engine: Engine) -> AbstractContextManager[Connection]:
    """Begin a transaction that only reads."""
    return engine.begin()


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that commits when the block ends, and is rolled back if the block raises."""
    with _process_write_lock(engine), engine.connect() as reader:
        connection = reader.execution_options(writes=True)
        with connection.begin():
            yield connection


@contextmanager
def _process_write_lock(engine: Engine) -> Iterator[None]:
    """Hold this process's write lock, if the database has one writer at a time.

    After a while the block runs without it, and the database will refuse its writes.
    """
    lock: Lock | None = engine.get_execution_options().get("write_lock")
    acquired = lock is not None and lock.acquire(timeout=BUSY_SECONDS)
    try:
        yield
    finally:
        if lock and acquired:
            lock.release()


def is_database_unavailable(error: BaseException) -> bool:
    """Return whether the database, not the statement, is to blame, so that it may succeed if it is repeated later."""
    if not isinstance(error, DBAPIError):
        return False
    connection_lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return connection_lost or getattr(error.orig, "sqlstate", None) == READ_ONLY_SQLSTATE
