"""Fills a database with the rows of many jobs, as if they had been submitted and had ended, or were queued."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    FromClause,
    String,
    Table,
    case,
    cast,
    delete,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.sql.functions import FunctionElement

from benchmarks.service.read_path import SPEC
from ted_core.datasets import DatasetSummary
from ted_jobs.db.counters import compact_counters
from ted_jobs.db.engine import UtcDateTime, now, write_transaction
from ted_jobs.db.tables import artifacts, deliveries, events, idempotency, jobs, outbox
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.models import Artifact
from ted_jobs.jobs.status import TERMINAL_STATUSES, JobStatus
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from ted_jobs.webhooks import deliveries as due
from ted_jobs.webhooks.store import WebhookStore

TENANT, OTHER_TENANT = "default", "other"
FIRST_NUMBER = 1_000_000
"""All numbers have as many digits, so that ids sort as they do."""
SECONDS_BETWEEN = 20
ONE_IN = 20
"""One in so many of the ended jobs ended as each status other than ``succeeded``."""
SUMMARY = DatasetSummary(rows=1797, columns=("image", "label"), change_token="none")  # noqa: S106 - of a file, no secret
KINDS = ("manifest", "decisions", "suspects", "report")
RESULT = {
    "rows_in": 1797,
    "rows_kept": 1078,
    "achieved_ratio": 0.6,
    "dataset_fingerprint": "0" * 64,
    "indices_sha256": "0" * 64,
    "content_sha256": "0" * 64,
    "q": {"value": None, "chosen_by": "client"},
    "cost": {
        "rows_trained": 30000,
        "rows_measured": 30000,
        "full_run_rows": 21564,
        "of_one_full_run": 1.5,
        "seconds": 30.0,
    },
}

NewValue = Callable[[ColumnElement[int]], Any]
"""From a copy's number to one of its values."""


class SecondsAgo(now):
    """The database's time, so many seconds ago as an expression says."""

    inherit_cache = True

    def __init__(self, seconds: ColumnElement[int]) -> None:
        FunctionElement.__init__(self, cast(-seconds, Float))


def add_history(engine: Engine, *, ended: int, queued: int) -> None:
    """Add so many ended jobs of one tenant, and so many queued ones: half of them that tenant's, half another's.

    One job of each sort is stored by the service's own code; the others are copies of its rows.
    """
    _copy_job(engine, _ended_job(engine), range(FIRST_NUMBER, FIRST_NUMBER + ended - 1), status=_ending)
    for number, tenant in enumerate((TENANT, OTHER_TENANT)):
        first = FIRST_NUMBER * (number + 2)
        queued_job = JobStore(engine).submit(SPEC, SUMMARY, tenant=tenant).job.id
        _copy_job(engine, queued_job, range(first, first + queued // 2 - 1))
    with write_transaction(engine) as connection:
        connection.execute(delete(outbox))
    compact_counters(engine)
    if engine.dialect.name == "postgresql":  # whose autovacuum does this by itself; nothing does it for SQLite
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _ended_job(engine: Engine) -> str:
    WebhookStore(engine, tenant=TENANT).register("https://example.org/ted", ["job.succeeded"])
    key = IdempotencyKey("key", request_digest="digest")
    job_id = JobStore(engine).submit(SPEC, SUMMARY, tenant=TENANT, idempotency_key=key).job.id
    leases = Leases(engine)
    claim = leases.claim(job_id, worker="benchmark")
    assert claim, "nobody else runs it"  # noqa: S101
    leases.begin_finalizing(claim)
    published = [Artifact(kind, f"{job_id}/{claim.token}/{kind}", 1000, "0" * 64) for kind in KINDS]
    leases.finish(claim, published=published, result=RESULT)
    delivery = due.claim_next(engine)
    assert delivery, "the webhook subscribes to it"  # noqa: S101
    due.succeed(engine, delivery, due.Outcome(200))
    return job_id


def _ending(number: ColumnElement[int]) -> ColumnElement[str]:
    others = sorted(TERMINAL_STATUSES - {JobStatus.SUCCEEDED})
    choices = [(number % ONE_IN == remainder, str(status)) for remainder, status in enumerate(others)]
    return case(*choices, else_=str(JobStatus.SUCCEEDED))


def _copy_job(engine: Engine, job_id: str, numbers: range, **changes: NewValue) -> None:
    """Copy the job's rows, once for each number; ``changes`` are those of the jobs' own rows, besides ids and times."""
    job = {"job_id": _named("job_")}
    with write_transaction(engine) as connection:
        _copy_rows(connection, jobs, jobs.c.id == job_id, numbers, {"id": job["job_id"]} | changes)
        for table, own_id in {
            events: {},
            artifacts: {},
            idempotency: {"key": _named("key_")},
            deliveries: {"id": _named("msg_")},
        }.items():
            _copy_rows(connection, table, table.c.job_id == job_id, numbers, job | own_id)


def _named(prefix: str) -> NewValue:
    """An id of the usual length."""
    return lambda number: literal(f"{prefix}{'0' * 21}", String) + cast(number, String)


def _copy_rows(
    connection: Connection, table: Table, which: ColumnElement[bool], numbers: range, changes: Mapping[str, NewValue]
) -> None:
    numbered = _table_of(numbers)
    number: ColumnElement[int] = numbered.c.number
    age = SecondsAgo((number - numbers.start + 1) * SECONDS_BETWEEN)
    times = {
        column.name: case((column.is_not(None), age)) for column in table.c if isinstance(column.type, UtcDateTime)
    }
    values = {column.name: column for column in table.c} | times | {name: new(number) for name, new in changes.items()}
    copies = select(*values.values()).select_from(table.join(numbered, literal(value=True))).where(which)
    connection.execute(insert(table).from_select(list(values), copies))


def _table_of(numbers: range) -> FromClause:
    counting = select(literal(numbers.start).label("number")).cte("numbers", recursive=True)
    return counting.union_all(select(counting.c.number + 1).where(counting.c.number < numbers.stop - 1))
