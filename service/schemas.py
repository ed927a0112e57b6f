"""What travels over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ted_core.datasets.spec import DatasetSpec
from ted_core.plan import PruningPlan
from ted_core.proxies.spec import FAMILIES, ProxyFamily, ProxySpec
from ted_jobs.job import Event, Job
from ted_jobs.status import JobStatus


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class FieldProblem(_Document):
    """One field of the request and what is wrong with it."""

    field: str = Field(examples=["plan.keep_ratio"])
    message: str = Field(examples=["Input should be less than 1"])


class Problem(_Document):
    """What went wrong, as RFC 9457 describes it. ``code`` is stable; match on it, not on the text."""

    type: str = Field(examples=["urn:ted:problem:unknown_column"])
    title: str
    status: int
    code: str = Field(examples=["unknown_column"])
    detail: str
    errors: list[FieldProblem]


class Progress(_Document):
    """How far the current attempt has come."""

    phase: str = Field(examples=["pruning"])
    round: int = 0
    rounds: int = 0
    fraction: float = Field(default=0, description="Of the pruning, from 0 to 1.")
    samples_per_second: float | None = None
    eta_seconds: float | None = None


class FailureDocument(_Document):
    """Why the job ended without a manifest."""

    code: str = Field(examples=["missing_values"])
    message: str
    retryable: bool = Field(description="Whether the same job may succeed when submitted again.")
    field: str | None = None


class Links(_Document):
    """Where to go from here."""

    self: str
    events: str
    cancel: str
    manifest: str
    decisions: str

    @classmethod
    def of(cls, job: Job) -> "Links":
        base = f"/v1/jobs/{job.id}"
        return cls(self=base, **{name: f"{base}/{name}" for name in ("events", "cancel", "manifest", "decisions")})


class JobDocument(_Document):
    """A pruning job."""

    id: str = Field(examples=["job_01a20a22a0aa297c31e37cd451ec"])
    object: Literal["job"] = "job"
    status: JobStatus
    status_reason: str | None
    dataset: DatasetSpec
    proxy: ProxySpec
    plan: PruningPlan
    metadata: dict[str, str]
    deadline_seconds: int | None
    rows_in: int
    attempt: int
    max_attempts: int
    progress: Progress | None
    result: dict[str, Any] | None
    error: FailureDocument | None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    links: Links

    @classmethod
    def of(cls, job: Job) -> "JobDocument":
        """The job as its client sees it."""
        shared = {name: getattr(job, name) for name in SHARED_WITH_ROW}
        progress = Progress.model_validate(job.progress) if job.progress else None
        error = FailureDocument.model_validate(job.error) if job.error else None
        return cls.model_construct(
            object="job", **shared, **dict(job.spec), progress=progress, error=error, links=Links.of(job)
        )


SHARED_WITH_ROW = [
    name for name in JobDocument.model_fields if name in Job.__dataclass_fields__ and name not in ("progress", "error")
]


class JobPage(_Document):
    """Some jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[JobDocument]
    has_more: bool
    next: str | None = Field(description="Pass as `after` for the next page; null on the last.")


class EventDocument(_Document):
    """One thing that happened to a job."""

    sequence: int = Field(description="Counts from 1 without gaps.")
    type: str = Field(examples=["job.running"])
    data: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, event: Event) -> "EventDocument":
        return cls(sequence=event.sequence, type=event.type, data=event.data, created_at=event.created_at)


class EventPage(_Document):
    """Some events of a job, oldest first."""

    object: Literal["list"] = "list"
    data: list[EventDocument]
    has_more: bool
    next: int | None = Field(description="Pass as `after` for the next page; null where there is none yet.")


class ProxyDocument(_Document):
    """An installed proxy and the training it gets unless a job says otherwise."""

    name: str
    takes: list[str]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float

    @classmethod
    def of(cls, name: str, family: ProxyFamily) -> "ProxyDocument":
        defaults = {
            field: getattr(family, field) for field in ("epochs", "batch_size", "learning_rate", "weight_decay")
        }
        return cls(name=name, takes=sorted(family.takes), **defaults)


class ProxyPage(_Document):
    """All installed proxies."""

    object: Literal["list"] = "list"
    data: list[ProxyDocument]

    @classmethod
    def installed(cls) -> "ProxyPage":
        return cls(data=[ProxyDocument.of(name, family) for name, family in FAMILIES.items()])


class Health(_Document):
    """Whether the service can do its work."""

    status: Literal["ok", "degraded"]
    reason: str | None = None
