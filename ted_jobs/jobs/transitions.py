"""The only way a job changes its status: row, version and event change together."""

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from ted_jobs.db.counters import JOB_MOVES, increment_counter
from ted_jobs.db.engine import now
from ted_jobs.db.tables import events, jobs, outbox
from ted_jobs.errors import RunnerCrashed
from ted_jobs.jobs.models import Job, JobError, JsonObject
from ted_jobs.jobs.status import JobStatus, predecessors
from ted_jobs.webhooks.deliveries import WEBHOOK_EVENT_TYPES, enqueue_deliveries

NEW_EVENT = insert(events).values(created_at=now())
NEW_WAKE_UP = insert(outbox).values(created_at=now())
NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")
SAME_CRASH = "The attempt before ended in the same way, so the job is not repeated."


def move(
    connection: Connection,
    job_id: str,
    to: JobStatus,
    *conditions: ColumnElement[bool],
    facts: JsonObject | None = None,
    **changes: Any,
) -> Job | None:
    """Return the moved job, or None if its status does not allow the move or a condition does not hold.

    ``facts`` go into the event, ``changes`` into the row.
    """
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status.in_(predecessors(to)), *conditions)
        .values(
            status=to, version=jobs.c.version + 1, last_event=jobs.c.last_event + 1, **_status_timestamps(to), **changes
        )
        .returning(jobs)
    ).one_or_none()
    if row is None:
        return None
    append_events(connection, job_id, (f"job.{to}", facts or {}), last=row.last_event)
    increment_counter(connection, JOB_MOVES, to)
    return Job.from_row(row)


def _status_timestamps(to: JobStatus) -> dict[str, Any]:
    """The timestamps that reaching a status sets."""
    return {"finished_at": now(), "lease_expires_at": None} if to.is_terminal else {}


def append_events(connection: Connection, job_id: str, *new_events: tuple[str, JsonObject], last: int) -> None:
    """Write events, each a type and its data, and the webhook deliveries that they cause.

    The last one gets the sequence number ``last``, to which the caller has just raised the job's counter.
    """
    numbered = list(enumerate(new_events, start=last - len(new_events) + 1))
    if numbered:
        rows = [{"job_id": job_id, "sequence": number, "type": kind, "data": data} for number, (kind, data) in numbered]
        connection.execute(NEW_EVENT, rows)
    for number, (kind, _) in numbered:
        if kind in WEBHOOK_EVENT_TYPES:
            enqueue_deliveries(connection, job_id, sequence=number, topic=kind)


def enqueue_wake_up(connection: Connection, job_id: str) -> None:
    """Add a wake-up to the outbox; the sweeper publishes it once this transaction has been committed."""
    connection.execute(NEW_WAKE_UP, {"job_id": job_id})


def end_attempt(connection: Connection, job: Job, error: JobError, *conditions: ColumnElement[bool]) -> Job | None:
    """Return the job after a failed attempt: queued again if the error is retryable and attempts are left, else failed.

    A crash that ends two attempts alike is not tried a third time. None if a condition does not hold.
    """
    if _has_crashed_alike(connection, job, error):
        error = replace(error, message=f"{error.message} {SAME_CRASH}", retryable=False)
    facts = {"attempt": job.attempt, "error": error.as_json()}
    if error.retryable and job.attempt < job.max_attempts:
        reason = f"attempt {job.attempt} of {job.max_attempts} failed and will be repeated: {error.message}"
        return requeue(connection, job.id, *conditions, reason=reason, facts=facts)
    return move(connection, job.id, JobStatus.FAILED, *conditions, facts=facts, error=error.as_json())


def _has_crashed_alike(connection: Connection, job: Job, error: JobError) -> bool:
    """Whether the attempt before ended with the same crash, numbers and addresses aside."""
    if error.code != RunnerCrashed.code():
        return False
    before = earlier_errors(connection, job.id)[-1:]
    return [(crash["code"], _without_numbers(crash["message"])) for crash in before] == [
        (error.code, _without_numbers(error.message))
    ]


def _without_numbers(message: str) -> str:
    return NUMBER.sub("#", message)


def earlier_errors(connection: Connection, job_id: str) -> list[JsonObject]:
    """Return the errors of the job's attempts that were repeated, the oldest first."""
    requeued = (events.c.job_id == job_id) & (events.c.type == f"job.{JobStatus.QUEUED}")
    query = select(events.c.data).where(requeued).order_by(events.c.sequence)
    return [data["error"] for data in connection.scalars(query) if data.get("error")]


def requeue(
    connection: Connection,
    job_id: str,
    *conditions: ColumnElement[bool],
    reason: str,
    facts: JsonObject,
    **changes: Any,
) -> Job | None:
    """Return the job to the queue, without a lease and with a new wake-up. None if a condition does not hold."""
    fresh = {"status_reason": reason, "queued_at": now(), "progress": None, "lease_expires_at": None}
    job = move(
        connection, job_id, JobStatus.QUEUED, *conditions, facts=facts, hints=0, ring_at=None, **fresh, **changes
    )
    if job:
        enqueue_wake_up(connection, job_id)
    return job
