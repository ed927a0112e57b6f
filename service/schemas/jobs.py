"""Jobs as they travel over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas import examples
from ted_core.datasets.spec import DatasetSpec
from ted_core.plan import PruningPlan
from ted_core.proxies.spec import Training
from ted_core.results.provenance import KeepRatioChoice, LabelNoise, ProxyAccuracy, QChoice
from ted_core.warnings import JobWarning
from ted_jobs.jobs import models as stored
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.status import JobStatus

Sha256 = Annotated[str, Field(description="Hexadecimal SHA-256.")]


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class NamedDataset(BaseModel):
    """A dataset that was registered before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(description="As registered with POST /v1/datasets.", examples=["digits"])]


class JobRequest(JobSpec):
    """A pruning job as a client submits it. This is its documentation: `service.jobs.submission` reads it."""

    dataset: DatasetSpec | NamedDataset  # type: ignore[assignment]


class Progress(_ResponseModel):
    """How far the present attempt has come."""

    phase: Annotated[str, Field(description="starting, loading, pruning or writing.")]
    round: int
    rounds: int
    fraction: Annotated[
        float,
        Field(
            description="Share of the work that is done, from 0 to 1; much of it is the search for q if there is one."
        ),
    ]
    phase_fraction: Annotated[
        float | None,
        Field(
            description="Share of the rows that a pretrained model has gone over, where it goes over all of them "
            "before the first round; null otherwise."
        ),
    ] = None
    samples_per_second: float | None = None
    eta_seconds: Annotated[float | None, Field(description="Seconds left, if they can be estimated.")] = None


class Cost(_ResponseModel):
    """What the selection took."""

    rows_trained: Annotated[int, Field(description="Rows that the proxies were trained on, each visit counted.")]
    rows_measured: Annotated[int, Field(description="Rows that they were then measured on.")]
    rows_trained_choosing: Annotated[
        int, Field(description="The part of rows_trained that the choice of q or keep_ratio or the guard took.")
    ] = 0
    full_run_rows: Annotated[int, Field(description="The same for one training run of the proxy on all rows.")]
    preparation: Annotated[
        float,
        Field(
            description="What calculating the blocks of a pretrained model that are not trained takes, once for each "
            "row, in rows trained on; 0 without train_blocks."
        ),
    ] = 0.0
    of_one_full_run: Annotated[
        float,
        Field(
            description="(rows_trained + rows_measured / 3 + preparation) / (full_run_rows + preparation): measuring a "
            "row takes about a third of training on it."
        ),
    ]
    batch_parts: Annotated[
        int,
        Field(description="Into how many parts batches were cut, their gradients added up, after memory had run out."),
    ] = 1
    seconds: float


class Result(_ResponseModel):
    """What a succeeded job has selected."""

    rows_in: int
    rows_kept: int
    achieved_ratio: Annotated[float, Field(description="Fraction of the rows that was retained.")]
    dataset_fingerprint: str
    indices_sha256: Sha256
    content_sha256: Annotated[
        str, Field(description="SHA-256 of the tables' content; equal for two runs with equal inputs.")
    ]
    q: Annotated[QChoice, Field(description="What ranked the rows, its exponent, and who chose it.")]
    keep_ratio_choice: Annotated[
        KeepRatioChoice | None, Field(description="The keep ratio that was chosen; null if the plan says it.")
    ] = None
    classes: Annotated[int | None, Field(description="Of the target; 0 for causal-lm.")] = None
    device: Annotated[
        str | None, Field(description="What the proxies were trained on; null if an older version ran the job.")
    ] = None
    internal_generalization: float | None = None
    proxy_accuracy: Annotated[
        ProxyAccuracy | None,
        Field(description="On rows that the proxy had not trained on; null if the method measures none."),
    ] = None
    label_noise: Annotated[
        LabelNoise | None,
        Field(
            description="How many labels look wrong; null if the method measures nothing out of sample, the proxy has "
            "not learned, rows have not one class each, or an older version ran the job."
        ),
    ] = None
    peak_memory_bytes: Annotated[
        int | None, Field(description="Of the training process at its largest; a GPU's memory not counted.")
    ] = None
    cost: Cost
    seconds: Annotated[
        dict[str, float], Field(description="Seconds by phase; empty if an older version ran the job.")
    ] = {}
    warnings: Annotated[
        tuple[JobWarning, ...],
        Field(description="All that was accepted, but may not be what was meant; empty if an older version ran it."),
    ] = ()


class JobError(_ResponseModel):
    """Why the job ended without a manifest."""

    code: str
    message: str
    retryable: Annotated[bool, Field(description="Whether the same job may succeed when submitted again.")]
    field: Annotated[str | None, Field(description="The request's field that holds the cause.")] = None


class Links(_ResponseModel):
    """Where to go on from here, relative to this service."""

    self: str
    cancel: str
    retry: str
    events: str
    manifest: str
    decisions: str
    suspects: str
    report: str

    @classmethod
    def of(cls, job_id: str) -> "Links":
        """Return the links of one job."""
        here = f"/v1/jobs/{job_id}"
        others = {name: f"{here}/{name}" for name in cls.model_fields if name != "self"}
        return cls(self=here, **others)


class Job(_ResponseModel):
    """A pruning job: what was asked for, how it stands, what came out."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.JOB]})

    id: str
    object: Literal["job"] = "job"
    status: JobStatus
    status_reason: str | None
    dataset: DatasetSpec
    proxy: Training
    plan: PruningPlan
    metadata: dict[str, str]
    rows_in: Annotated[
        int | None,
        Field(description="Rows of the dataset when the job was submitted; null if they are for the worker to count."),
    ]
    attempt: int
    max_attempts: int
    warnings: Annotated[
        tuple[JobWarning, ...],
        Field(
            description="What was accepted, but may not be what was meant: as found at submission or, once the job "
            "has succeeded, as in its result."
        ),
    ]
    strict: bool
    progress: Progress | None
    result: Result | None
    error: JobError | None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    retry_of: Annotated[str | None, Field(description="The ended job that this one repeats.")]
    links: Links

    @classmethod
    def of(cls, job: stored.Job) -> "Job":
        """Return the stored job as its client sees it."""
        spec = job.spec
        request = {
            "dataset": spec.dataset,
            "proxy": Training.of(spec.proxy),
            "plan": spec.plan,
            "metadata": spec.metadata,
            "strict": spec.strict,
        }
        return cls.model_validate({**vars(job), **request, "warnings": job.warnings, "links": Links.of(job.id)})


class Queue(_ResponseModel):
    """Where a job stands among the jobs of its tenant that wait for a worker."""

    position: Annotated[
        int | None, Field(description="1: the next of this tenant's jobs to start; null: the job is not queued.")
    ]
    queued: Annotated[int, Field(description="This tenant's queued jobs.")]
    running: Annotated[int, Field(description="This tenant's jobs that workers hold.")]
    unattended_seconds: Annotated[
        float | None,
        Field(
            description="For how long jobs have been waiting without any worker holding one; null while one does. "
            "After more than some seconds, no worker is there."
        ),
    ]


class JobList(_ResponseModel):
    """A page of jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool
    next: Annotated[str | None, Field(description="Pass as `after` for the next page; null on the last.")]


class Event(_ResponseModel):
    """One thing that happened to a job."""

    sequence: Annotated[int, Field(description="Counts from 1 without gaps.")]
    type: Annotated[str, Field(examples=["job.queued", "job.round", "job.resumed", "job.warning", "job.succeeded"])]
    data: dict[str, Any]
    created_at: datetime

    @classmethod
    def of(cls, event: stored.Event) -> "Event":
        """Return the stored event as a client sees it."""
        return cls.model_validate(vars(event))


class EventList(_ResponseModel):
    """A page of a job's events, oldest first."""

    object: Literal["list"] = "list"
    data: list[Event]
    has_more: bool
    next: Annotated[int, Field(description="Pass as `after` to hear what follows, now or later.")]
