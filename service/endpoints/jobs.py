"""Jobs: submit, repeat, list, read, cancel and delete them."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.apidoc.document import (
    IF_NONE_MATCH,
    JOB_SPEC_BODY,
    LABELS,
    NOT_MODIFIED,
    PREFER,
    answers,
    parameters,
    problems,
)
from service.http.bodies import answer
from service.http.conditional import is_known, quoted
from service.http.parameters import JobId, json_body
from service.http.prefer_wait import Patience, patience
from service.http.request import Keyed, Visit
from service.jobs.desk import Handing
from service.jobs.estimate import Estimate
from service.jobs.filter import JobFilter
from service.schemas import jobs as schemas
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs import deletion
from ted_jobs.jobs.filter import cursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.store import JobStore, Submission

log = structlog.get_logger()
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=Keyed)

POLL_SECONDS = 1

WAITED = "wait=N, where the client asked for it with Prefer."
ACCEPTED = answers(
    202,
    "The job is stored and will be run; after `Prefer: wait` it may have ended already, as `status` tells.",
    Location="The job.",
    Retry_After="Seconds until asking makes sense; absent where the job has ended.",
    ETag="Changes whenever the job does.",
    Idempotent_Replayed="true, where an earlier request with this Idempotency-Key had stored the job.",
    Preference_Applied=WAITED,
)

ESTIMATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Estimate, "description": "With `validate_only`: the job would be accepted, and what it would take."}
}


class Submitting(BaseModel):
    """What is to become of the job."""

    model_config = ConfigDict(extra="forbid")

    validate_only: Annotated[bool, Field(description="Check the job and say what it would take; store nothing.")] = (
        False
    )


@router.post(
    "",
    status_code=202,
    response_model=schemas.Job,
    operation_id="submit_job",
    summary="Submit a job",
    openapi_extra=JOB_SPEC_BODY | parameters(PREFER),
    responses=ACCEPTED | ESTIMATED | problems(400, 413, 415, 422),
)
async def submit_job(visit: Visit, desk: Handing, query: Annotated[Submitting, Query()]) -> Response:
    """Check everything that can be checked without reading the rows, then store the job.

    The job comes back with every default written out; with `Prefer: wait=N`, when it has ended or N seconds later.
    With `validate_only`, nothing is stored, and what the job would take comes back instead.
    """
    body = await json_body(visit)
    if query.validate_only:
        return answer(await run_in_threadpool(desk.estimate, body))
    return await _accepted(await run_in_threadpool(desk.submit, body), visit)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=schemas.Job,
    operation_id="retry_job",
    summary="Submit an ended job again",
    openapi_extra=parameters(PREFER),
    responses=ACCEPTED | problems(404, 409, 413, 422),
)
async def retry_job(visit: Visit, job_id: JobId, desk: Handing) -> Response:
    """A new job that asks for the same as one that has ended, in whatever way, of the dataset as it is now.

    Its `retry_of` names the old job, which stays as it is.
    """
    return await _accepted(await run_in_threadpool(desk.retry, job_id), visit)


async def _accepted(submission: Submission, visit: Visit) -> Response:
    job, waiting = submission.job, await patience(visit)
    log.info("job accepted", job=job.id, replayed=submission.replayed)
    response = _shown(await _outlasted(job, visit.parts.store, waiting))
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers.update(waiting.applied)
    if submission.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


async def _outlasted(job: Job, store: JobStore, waiting: Patience) -> Job:
    try:
        return await waiting.outlast(
            job, lambda: store.job(job.id, tenant=job.tenant), until=lambda it: it.status.is_terminal
        )
    except JobNotFound:  # deleted as soon as it had ended; that it was accepted stays true
        return job


def _shown(job: Job) -> Response:
    return answer(schemas.Job.of(job), headers=_headers(job))


def _headers(job: Job) -> dict[str, str]:
    waiting = {} if job.status.is_terminal else {"Retry-After": str(POLL_SECONDS)}
    return {"ETag": quoted(str(job.version))} | waiting


@router.get(
    "",
    response_model=schemas.JobList,
    operation_id="list_jobs",
    summary="List jobs",
    openapi_extra=parameters(LABELS),
    responses=problems(422),
)
def list_jobs(visit: Visit, query: Annotated[JobFilter, Query()]) -> Response:
    """The newest jobs first. Where there are more, `next` leads to them.

    Jobs that are submitted or deleted meanwhile move none from one page to another.
    """
    jobs = visit.parts.store.jobs(tenant=visit.tenant, limit=query.limit + 1, after=query.after, wanted=query.wanted())
    page, more = jobs[: query.limit], len(jobs) > query.limit
    data = [schemas.Job.of(job) for job in page]
    return answer(schemas.JobList(data=data, has_more=more, next=cursor(page[-1]) if more else None))


@router.get(
    "/{job_id}",
    response_model=schemas.Job,
    operation_id="read_job",
    summary="Read a job",
    openapi_extra=parameters(PREFER, IF_NONE_MATCH),
    responses=answers(
        200,
        "The job as it stands.",
        ETag="Changes whenever the job does.",
        Retry_After="Seconds until asking again makes sense; absent once the job has ended.",
        Preference_Applied=WAITED,
    )
    | NOT_MODIFIED
    | problems(404, 413),
)
async def read_job(visit: Visit, job_id: JobId) -> Response:
    """How the job stands. Ask again after `Retry-After`, with the `ETag` in `If-None-Match`.

    With `Prefer: wait=N` as well, the answer comes when the job has changed, or N seconds later.
    """

    def look() -> Job:
        return visit.parts.store.job(job_id, tenant=visit.tenant)

    def is_new(job: Job) -> bool:
        return not is_known(quoted(str(job.version)), visit.headers.get("if-none-match"))

    waiting = await patience(visit)
    job = await waiting.outlast(
        await run_in_threadpool(look), look, until=lambda it: is_new(it) or it.status.is_terminal
    )
    response = _shown(job) if is_new(job) else Response(status_code=304, headers=_headers(job))
    response.headers.update(waiting.applied)
    return response


@router.post(
    "/{job_id}/cancel",
    response_model=schemas.Job,
    operation_id="cancel_job",
    summary="Cancel a job",
    responses=problems(404, 409),
)
def cancel_job(visit: Visit, job_id: JobId) -> Response:
    """Stop the job: at once where it is queued, within seconds where it runs. Asking twice is no error.

    Once it is finalizing, or has ended in another way, there is nothing left to cancel.
    """
    return _shown(visit.parts.store.cancel(job_id, tenant=visit.tenant))


@router.delete(
    "/{job_id}",
    status_code=204,
    response_class=Response,
    operation_id="delete_job",
    summary="Delete a job",
    responses=answers(204, "The job is gone, and its files with it.") | problems(404, 409),
)
def delete_job(visit: Visit, job_id: JobId) -> Response:
    """Delete a job that has ended, with its events and its files.

    Its Idempotency-Key goes too: sending the submission again stores a new job.
    """
    deletion.remove(visit.parts.store.engine, visit.parts.artifacts, job_id, tenant=visit.tenant)
    return Response(status_code=204)
