"""Jobs: submit, list, read, cancel, and what has happened to them."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service import schemas
from service.conditional import is_known, quoted
from service.dependencies import JOB_ID, Config, IfNoneMatch, JobId, JsonBody, Store, Tenant
from service.documentation import JOB_SPEC_BODY, NOT_MODIFIED, answers, problems
from service.submission import admit, parse
from ted_jobs.job import Job
from ted_jobs.status import JobStatus
from ted_jobs.store import IdempotencyKey, Submission

log = structlog.get_logger()
router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_SECONDS = 1
JSON = "application/json"


class JobFilter(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str | None, Field(pattern=f"^{JOB_ID.pattern}$", description="List jobs older than this one, itself excluded.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    status: Annotated[list[JobStatus], Field(description="Only jobs in one of these; may be repeated.")] = []


class EventFilter(BaseModel):
    """Which events to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=2**53, description="List events that follow this sequence number.")] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 100


RepeatKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x20-\x7e]+$",
        max_length=255,
        description="The client's own name for this submission: sending it again with the same body stores nothing new "
        "and answers with the job of the first time.",
    ),
]


@router.post(
    "",
    status_code=202,
    response_model=schemas.Job,
    operation_id="submit_job",
    summary="Submit a job",
    openapi_extra=JOB_SPEC_BODY,
    responses=answers(
        202,
        "The job is stored and will be run.",
        Location="The job.",
        Retry_After="Seconds until asking makes sense.",
        Idempotent_Replayed="true, where an earlier request with this Idempotency-Key had stored the job.",
    )
    | problems(400, 413, 415, 422),
)
def submit_job(body: JsonBody, tenant: Tenant, store: Store, config: Config, key: RepeatKey = None) -> Response:
    """Check everything that can be checked without reading the rows, then store the job.

    The job comes back with every default written out.
    """
    submitted = parse(body)
    repeat = IdempotencyKey(key, submitted.digest) if key else None
    # The dataset may be gone when a client repeats itself; its job is not.
    known = store.replay(repeat, tenant=tenant)
    if known is None:
        spec, dataset = admit(submitted.spec, roots=config.dataset_roots, model_roots=config.model_roots)
        known = store.submit(spec, dataset, tenant=tenant, idempotency_key=repeat)
    log.info("job accepted", job=known.job.id, replayed=known.replayed)
    return _accepted(known)


def _accepted(submission: Submission) -> Response:
    response = _shown(submission.job)
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{submission.job.id}"
    if submission.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _shown(job: Job) -> Response:
    return Response(schemas.Job.of(job).model_dump_json(), headers=_headers(job), media_type=JSON)


def _headers(job: Job) -> dict[str, str]:
    waiting = {} if job.status.is_terminal else {"Retry-After": str(POLL_SECONDS)}
    return {"ETag": quoted(str(job.version))} | waiting


@router.get("", response_model=schemas.JobList, operation_id="list_jobs", summary="List jobs", responses=problems(422))
def list_jobs(wanted: Annotated[JobFilter, Query()], tenant: Tenant, store: Store) -> Response:
    """The newest jobs first. Where there are more, `next` leads to them."""
    jobs = store.jobs(tenant=tenant, limit=wanted.limit + 1, after=wanted.after, statuses=wanted.status)
    page, more = jobs[: wanted.limit], len(jobs) > wanted.limit
    data = [schemas.Job.of(job) for job in page]
    answer = schemas.JobList(data=data, has_more=more, next=page[-1].id if more else None)
    return Response(answer.model_dump_json(), media_type=JSON)


@router.get(
    "/{job_id}",
    response_model=schemas.Job,
    operation_id="read_job",
    summary="Read a job",
    responses=answers(
        200,
        "The job as it stands.",
        ETag="Changes whenever the job does.",
        Retry_After="Seconds until asking again makes sense; absent once the job has ended.",
    )
    | NOT_MODIFIED
    | problems(404),
)
def read_job(job_id: JobId, tenant: Tenant, store: Store, if_none_match: IfNoneMatch = None) -> Response:
    """How the job stands. Ask again after `Retry-After`, with the `ETag` in `If-None-Match`."""
    job = store.job(job_id, tenant=tenant)
    if is_known(quoted(str(job.version)), if_none_match):
        return Response(status_code=304, headers=_headers(job))
    return _shown(job)


@router.post(
    "/{job_id}/cancel",
    response_model=schemas.Job,
    operation_id="cancel_job",
    summary="Cancel a job",
    responses=problems(404, 409),
)
def cancel_job(job_id: JobId, tenant: Tenant, store: Store) -> Response:
    """Stop the job: at once where it is queued, within seconds where it runs. Asking twice is no error.

    Once it is finalizing, or has ended in another way, there is nothing left to cancel.
    """
    return _shown(store.cancel(job_id, tenant=tenant))


@router.get(
    "/{job_id}/events",
    response_model=schemas.EventList,
    operation_id="list_job_events",
    summary="List what has happened to a job",
    responses=problems(404, 422),
)
def list_job_events(job_id: JobId, wanted: Annotated[EventFilter, Query()], tenant: Tenant, store: Store) -> Response:
    """Changes of status and finished rounds, oldest first; pass `next` as `after` to hear what is new."""
    events = store.events(job_id, tenant=tenant, after=wanted.after, limit=wanted.limit + 1)
    data = [schemas.Event.of(event) for event in events[: wanted.limit]]
    last = data[-1].sequence if data else wanted.after
    answer = schemas.EventList(data=data, has_more=len(events) > wanted.limit, next=last)
    return Response(answer.model_dump_json(), media_type=JSON)
