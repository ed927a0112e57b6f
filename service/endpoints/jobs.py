"""Submit, list, read and cancel jobs; read what happened to them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from service.dependencies import CurrentSettings, Cursor, Idempotency, JobId, Limit, Store, Tenant, json_only
from service.responses import answered, not_modified, problems
from service.schemas import EventDocument, EventPage, JobDocument, JobPage
from ted_core.datasets import inspect
from ted_core.feasibility import check
from ted_jobs.job import Job
from ted_jobs.spec import JobSpec
from ted_jobs.status import JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_SECONDS = 1
HOW_TO_POLL = {"Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer"}}}


@router.post(
    "",
    operation_id="submitJob",
    summary="Submit a pruning job",
    status_code=202,
    response_model=JobDocument,
    responses=problems(400, 413, 415, 422),
    dependencies=[json_only],
)
def submit(
    spec: JobSpec, settings: CurrentSettings, store: Store, tenant: Tenant, idempotency_key: Idempotency
) -> Response:
    """Checks everything that can be known without reading the dataset's rows, stores the job and returns at once."""
    summary = inspect(spec.dataset, roots=settings.dataset_roots)
    proxy = check(spec.plan, spec.proxy, task=spec.dataset.task, rows=summary.rows)
    resolved = spec.model_copy(update={"proxy": proxy})
    submission = store.submit(resolved, summary, tenant=tenant, idempotency_key=idempotency_key)
    headers = {"Location": f"/v1/jobs/{submission.job.id}", "Retry-After": str(POLL_SECONDS)}
    replayed = {"Idempotent-Replayed": "true"} if submission.replayed else {}
    return answered(JobDocument.of(submission.job), 202, headers=headers | replayed)


@router.get("", operation_id="listJobs", summary="List jobs", response_model=JobPage, responses=problems(422))
def list_jobs(
    store: Store,
    tenant: Tenant,
    after: Cursor,
    limit: Limit = 20,
    status: Annotated[list[JobStatus] | None, Query(description="Only jobs with one of these statuses.")] = None,
) -> Response:
    """Newest first."""
    found = store.jobs(tenant=tenant, limit=limit + 1, after=after, statuses=status or [])
    page, more = found[:limit], len(found) > limit
    cursor = page[-1].id if more else None
    return answered(JobPage(data=[JobDocument.of(job) for job in page], has_more=more, next=cursor))


@router.get(
    "/{job_id}",
    operation_id="getJob",
    summary="Read a job",
    response_model=JobDocument,
    responses=problems(404, 422) | {304: {"description": "The version that If-None-Match names is still the newest."}},
)
def read(
    job_id: JobId, store: Store, tenant: Tenant, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The job's row. Poll it with If-None-Match, no more often than Retry-After says."""
    job = store.job(job_id, tenant=tenant)
    headers = {"ETag": f'"{job.version}"'} | _pace(job)
    if not_modified(headers["ETag"], if_none_match):
        return Response(status_code=304, headers=headers)
    return answered(JobDocument.of(job), headers=headers)


@router.post(
    "/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=JobDocument,
    responses=problems(404, 409, 422),
)
def cancel(job_id: JobId, store: Store, tenant: Tenant) -> Response:
    """A queued job is cancelled at once, a running one within seconds. Asking twice does no harm."""
    job = store.cancel(job_id, tenant=tenant)
    return answered(JobDocument.of(job), headers=_pace(job))


@router.get(
    "/{job_id}/events",
    operation_id="listEvents",
    summary="Read what happened to a job",
    response_model=EventPage,
    responses=problems(404, 422),
)
def events(
    job_id: JobId,
    store: Store,
    tenant: Tenant,
    after: Annotated[int, Query(ge=0, le=2**53, description="A sequence number: list what came later.")] = 0,
    limit: Limit = 100,
) -> Response:
    """Oldest first."""
    found = store.events(job_id, tenant=tenant, after=after, limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    cursor = page[-1].sequence if more else None
    return answered(EventPage(data=[EventDocument.of(event) for event in page], has_more=more, next=cursor))


def _pace(job: Job) -> dict[str, str]:
    return {} if job.status.is_terminal else {"Retry-After": str(POLL_SECONDS)}
