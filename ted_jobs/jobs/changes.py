"""What is new about jobs that somebody watches, asked for all of them at once."""

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
"""Jobs per query; each takes three parameters of it."""

LastSeen = Mapping[str, int | None]
"""Up to which event each watched job is known; None: its events are not wanted."""


@dataclass(frozen=True)
class JobChanges:
    """How a watched job stands, and what has happened since."""

    status: JobStatus
    version: int
    last_event: int
    progress: JsonObject | None
    events: Sequence[Event]
    """The newest of those that have not been heard, without gaps."""


def job_changes(engine: Engine, heard: LastSeen, *, most: int) -> dict[str, JobChanges]:
    """What is new about each of these jobs, at most so many events each; a job that is gone is missing."""
    ids = iter(heard)
    found: dict[str, JobChanges] = {}
    while batch := list(islice(ids, BATCH)):
        with read_transaction(engine) as connection:
            found.update(_batch_changes(connection, {job_id: heard[job_id] for job_id in batch}, most=most))
    return found


def _batch_changes(connection: Connection, heard: LastSeen, *, most: int) -> Iterator[tuple[str, JobChanges]]:
    columns = (jobs.c.id, jobs.c.status, jobs.c.version, jobs.c.last_event, jobs.c.progress)
    rows = connection.execute(select(*columns).where(jobs.c.id.in_(heard))).all()
    unheard = _new_events(
        connection, {row.id: _sequences_to_read(row.last_event, heard[row.id], most=most) for row in rows}
    )
    return (
        (row.id, JobChanges(JobStatus(row.status), row.version, row.last_event, row.progress, unheard[row.id]))
        for row in rows
    )


def _sequences_to_read(last: int, heard: int | None, *, most: int) -> range:
    """The sequences of the events to read."""
    return range(0) if heard is None else range(max(heard, last - most) + 1, last + 1)


def _new_events(connection: Connection, wanted: Mapping[str, range]) -> Mapping[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    spans = [
        and_(events.c.job_id == job_id, events.c.sequence.between(span.start, span.stop - 1))
        for job_id, span in wanted.items()
        if span
    ]
    if spans:
        for row in connection.execute(select(events).where(or_(*spans)).order_by(events.c.job_id, events.c.sequence)):
            found[row.job_id].append(Event(row.job_id, row.sequence, row.type, row.data, row.created_at))
    return found
