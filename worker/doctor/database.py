"""Checks the database: whether it answers, fits this code, and agrees on the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from ted_jobs.db.engine import make_engine, now, read_transaction
from ted_jobs.db.migrations import head, revision
from ted_jobs.settings import Settings
from worker.doctor.artifacts import check_artifacts
from worker.doctor.finding import Finding, ok_finding, problem_finding, warning_finding
from worker.doctor.jobs import check_jobs
from worker.doctor.leftovers import check_leftovers

CONNECT_TIMEOUT_SECONDS = 5
SKEW_SECONDS = 5.0
MIGRATE = "Run `ted migrate`."


def check_database(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on the database and on the jobs in it. A database that does not exist is not created."""
    try:
        url = make_url(settings.database)
    except ArgumentError:
        yield problem_finding(
            "database", "TED_DATABASE_URL is no URL", "Write it as postgresql://user@host/name, or unset it."
        )
        return
    name = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        yield problem_finding("database", f"{name} does not exist", f"{MIGRATE} `ted up` does so by itself.")
        return
    try:
        with _engine(settings) as engine:
            yield from _check_reachable_database(engine, name, settings)
    except DBAPIError as error:
        yield problem_finding("database", f"{name}: {error.orig}", "Start it, or correct TED_DATABASE_URL.")


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    url = make_url(settings.database)
    options = {} if url.get_backend_name() == "sqlite" else {"connect_timeout": str(CONNECT_TIMEOUT_SECONDS)}
    engine = make_engine(url.update_query_dict(options).render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def _check_reachable_database(engine: Engine, name: str, settings: Settings) -> Iterator[Finding]:
    present, newest = revision(engine), head()
    if present != newest:
        older = present is None or present < newest
        remedy = MIGRATE if older else "Upgrade TED on this machine: another has upgraded the database."
        yield problem_finding("database", f"{name} is at revision {present}, this code at {newest}", remedy)
        return
    yield ok_finding("database", f"{name}, at revision {present}")
    yield _check_clock(engine)
    yield from check_jobs(engine)
    yield from check_leftovers(engine, settings)
    yield from check_artifacts(engine, settings)


def _check_clock(engine: Engine) -> Finding:
    with read_transaction(engine) as connection:
        database_time = connection.scalar(select(now()))
    skew = abs((datetime.now(UTC) - database_time).total_seconds()) if database_time else 0.0
    fact = f"{skew:.1f} s from the database's"
    if skew < SKEW_SECONDS:
        return ok_finding("clock", fact)
    return warning_finding(
        "clock", fact, "Run NTP on both machines: leases are safe, but logs and times of files disagree."
    )
