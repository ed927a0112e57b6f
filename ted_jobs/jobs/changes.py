"""What has changed about watched jobs, queried for all of them at once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Engine, and_, or_, select

from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import events, jobs
from ted_jobs.jobs.models import Event, JsonObject
from ted_jobs.jobs.status import JobStatus

BATCH = 100
"""Jobs per query; each takes three of its parameters."""

LastSeen = Mapping[str, int | None]
"""The last event that each job's watchers have seen; None if they want no events."""


@dataclass(frozen=True)
class JobChanges:
    """The present state of a watched job, and its events since."""

    status: JobStatus
    version: int
    last_event: int
    progress: JsonObject | None
    events: Sequence[Event]
    """The newest of those not yet seen, without gaps."""


def job_changes(engine: Engine, last_seen: LastSeen, *, limit: int) -> dict[str, JobChanges]:
    """Return the changes of each job, with at most ``limit`` events; jobs that no longer exist are missing."""
    job_ids = iter(last_seen)
    changes: dict[str, JobChanges] = {}
    while batch := list(islice(job_ids, BATCH)):
        with read_transaction(engine) as connection:
            changes.update(_batch_changes(connection, {job_id: last_seen[job_id] for job_id in batch}, limit=limit))
    return changes


def _batch_changes(connection: Connection, last_seen: LastSeen, *, limit: int) -> Iterator[tuple[str, JobChanges]]:
    columns = (jobs.c.id, jobs.c.status, jobs.c.version, jobs.c.last_event, jobs.c.progress)
    rows = connection.execute(select(*columns).where(jobs.c.id.in_(last_seen))).all()
    spans = {row.id: _unseen_sequences(row.last_event, last_seen[row.id], limit=limit) for row in rows}
    new_events = _events_in(connection, spans)
    return (
        (row.id, JobChanges(JobStatus(row.status), row.version, row.last_event, row.progress, new_events[row.id]))
        for row in rows
    )


def _unseen_sequences(last: int, last_seen: int | None, *, limit: int) -> range:
    """The sequence numbers of the events to read."""
    return range(0) if last_seen is None else range(max(last_seen, last - limit) + 1, last + 1)


def _events_in(connection: Connection, spans: Mapping[str, range]) -> Mapping[str, list[Event]]:
    """The events of each job with these sequence numbers."""
    events_by_job: defaultdict[str, list[Event]] = defaultdict(list)
    conditions = [
        and_(events.c.job_id == job_id, events.c.sequence.between(span.start, span.stop - 1))
        for job_id, span in spans.items()
        if span
    ]
    if conditions:
        query = select(events).where(or_(*conditions)).order_by(events.c.job_id, events.c.sequence)
        for row in connection.execute(query):
            events_by_job[row.job_id].append(Event.from_row(row))
    return events_by_job
