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
"""When PostgreSQL counts as away: seconds, and milliseconds at last. A network that swallows everything would be waited
for until tomorrow."""

# What clients send is no business of the log, where a failed statement ends up.
POOL_OPTIONS: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "hide_parameters": True}

READ_ONLY_SQLSTATE = "25006"
"""What PostgreSQL calls it when a server that is about to be, or no longer is, the first refuses to write."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC whatever the engine stores."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class now(FunctionElement[datetime]):  # noqa: N801 — reads as the SQL function that it is
    """The database's clock, ``seconds`` from now. Workers' clocks differ; leases are measured by one."""

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
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


def make_engine(url: str) -> Engine:
    """An engine whose transactions are begun by :func:`reading` and :func:`writing`; SQLite's folder is made."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, Path(parsed.database or ""))
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed, pool_pre_ping=True, connect_args=POSTGRESQL_TIMEOUTS, **POOL_OPTIONS)


def _sqlite_engine(url: str, path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Who waits for SQLite's own lock sleeps for up to 100 ms before it looks again; threads of one process know better.
    engine = create_engine(url, execution_options={"turn": Lock()}, **POOL_OPTIONS)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading later can fail with "database is locked" in spite of the busy timeout.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # cannot fail, so SQLAlchemy, whose translation of errors takes longer than a look at a job, is not needed
        connection.connection.execute("BEGIN")


def read_transaction(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that only reads."""
    return engine.begin()


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits as a whole when the block ends, or not at all."""
    with _write_turn_lock(engine), engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            yield connection


@contextmanager
def _write_turn_lock(engine: Engine) -> Iterator[None]:
    """This thread's turn to write, where only one can; without it after a while, when the database will refuse."""
    turn: Lock | None = engine.get_execution_options().get("turn")
    held = turn is not None and turn.acquire(timeout=BUSY_SECONDS)
    try:
        yield
    finally:
        if turn and held:
            turn.release()


def is_database_unavailable(error: BaseException) -> bool:
    """Whether the database and not what was asked of it is to blame: the same may go well in a while."""
    if not isinstance(error, DBAPIError):
        return False
    lost = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return lost or getattr(error.orig, "sqlstate", None) == READ_ONLY_SQLSTATE
