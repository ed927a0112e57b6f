"""Jobs, events and artifacts as immutable values."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row

from ted_core.warnings import JobWarning
from ted_jobs.errors import JobUnreadable
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus

JsonObject = dict[str, Any]
UNCOUNTED = 0
"""The ``rows_in`` of a stored job whose rows were not counted when it was submitted; no dataset has so few."""


@dataclass(frozen=True)
class JobError:
    """Why a job, or one attempt at it, ended without a manifest."""

    code: str
    message: str
    retryable: bool = False
    field: str | None = None

    def as_json(self) -> JsonObject:
        """Return the error as it is stored and served."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, "field": self.field}


@dataclass(frozen=True)
class Job:
    """One row of the jobs table. Times are UTC, by the database's clock."""

    id: str
    tenant: str
    status: JobStatus
    status_reason: str | None
    document: JsonObject
    """The specification as it is stored."""
    dataset_guard: str
    rows_in: int | None
    """None if they are for the worker to count."""
    attempt: int
    max_attempts: int
    lease_token: int
    progress: JsonObject | None
    result: JsonObject | None
    error: JsonObject | None
    version: int
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    retry_of: str | None = None
    """The ended job that this one repeats."""
    key_id: str | None = None
    """The API key that submitted it; None if nobody needs one."""
    warnings_at_submission: tuple[JobWarning, ...] = ()

    @classmethod
    def from_row(cls, row: Row[Any]) -> "Job":
        """Return the job that a full row of the jobs table describes.

        Raises JobUnreadable if its status is one that only another version knows.
        """
        columns = {name: getattr(row, name) for name in COLUMNS}
        warnings = _warnings(row.warnings or ())
        return cls(
            **columns,
            rows_in=row.rows_in or None,
            status=_status(row),
            document=row.spec,
            warnings_at_submission=warnings,
        )

    @property
    def warnings(self) -> tuple[JobWarning, ...]:
        """Return what is known so far: the result's warnings, or else what was found at submission."""
        found = (self.result or {}).get("warnings")
        return self.warnings_at_submission if found is None else _warnings(found)

    @property
    def submitter(self) -> str:
        """Return the id of the key that submitted the job, or its tenant if there are no keys."""
        return self.key_id or self.tenant

    @cached_property
    def spec(self) -> JobSpec:
        """Return the parsed specification. Raises JobUnreadable if only another version can read it.

        It is parsed when it is first read, so that a job which cannot be run here can still be listed and cancelled.
        """
        try:
            return JobSpec.model_validate(self.document)
        except ValidationError as error:
            fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors()})
            raise JobUnreadable(f"{self.id}: {', '.join(fields)}") from error


def _warnings(documents: Iterable[JsonObject]) -> tuple[JobWarning, ...]:
    return tuple(map(JobWarning.from_json, documents))


def _status(row: Row[Any]) -> JobStatus:
    try:
        return JobStatus(row.status)
    except ValueError as error:
        raise JobUnreadable(f"{row.id}: status {row.status}") from error


PARSED = ("status", "document", "rows_in", "warnings_at_submission")
COLUMNS = [field.name for field in fields(Job) if field.name not in PARSED]
"""The fields that are columns of the same name."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; ``sequence`` counts from 1 without gaps."""

    job_id: str
    sequence: int
    type: str
    data: JsonObject
    created_at: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> "Event":
        """Return the event that a row of the events table describes."""
        return cls(row.job_id, row.sequence, row.type, row.data, row.created_at)


@dataclass(frozen=True)
class Artifact:
    """A published file of a job: its key in the artifact store, its size and its digest."""

    kind: str
    key: str
    bytes: int
    sha256: str
