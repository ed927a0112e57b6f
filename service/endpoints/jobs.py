"""Jobs: submit, repeat, list, read, cancel and delete them."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.apidoc.document import (
    IF_NONE_MATCH,
    JOB_SPEC_BODY,
    METADATA_FILTER,
    NOT_MODIFIED,
    PREFER,
    documented_parameters,
    documented_response,
    problem_responses,
)
from service.http.bodies import json_response
from service.http.conditional import etag_matches, strong_etag
from service.http.parameters import JobIdParam, json_body
from service.http.prefer_wait import LongPoll, long_poll
from service.http.request import AuthenticatedRequest, AuthenticatedRoute
from service.jobs.desk import Submissions
from service.jobs.estimate import Estimate
from service.jobs.filter import JobListQuery
from service.schemas import jobs as schemas
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs import deletion
from ted_jobs.jobs.filter import page_cursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.store import JobStore, Submission

log = structlog.get_logger()
router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=AuthenticatedRoute)

POLL_SECONDS = 1

PREFERENCE_APPLIED = "wait=N, where the client asked for it with Prefer."
ACCEPTED_RESPONSE = documented_response(
    202,
    "The job is stored and will be run; after `Prefer: wait` it may have ended already, as `status` tells.",
    Location="The job.",
    Retry_After="Seconds until asking makes sense; absent where the job has ended.",
    ETag="Changes whenever the job does.",
    Idempotent_Replayed="true, where an earlier request with this Idempotency-Key had stored the job.",
    Preference_Applied=PREFERENCE_APPLIED,
)

ESTIMATE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"model": Estimate, "description": "With `validate_only`: the job would be accepted, and what it would take."}
}


class SubmitQuery(BaseModel):
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
    openapi_extra=JOB_SPEC_BODY | documented_parameters(PREFER),
    responses=ACCEPTED_RESPONSE | ESTIMATE_RESPONSE | problem_responses(400, 413, 415, 422),
)
async def submit_job(
    visit: AuthenticatedRequest, desk: Submissions, query: Annotated[SubmitQuery, Query()]
) -> Response:
    """Check everything that can be checked without reading the rows, then store the job.

    The job comes back with every default written out; with `Prefer: wait=N`, when it has ended or N seconds later.
    With `validate_only`, nothing is stored, and what the job would take comes back instead.
    """
    body = await json_body(visit)
    if query.validate_only:
        return json_response(await run_in_threadpool(desk.estimate, body))
    return await _accepted_response(await run_in_threadpool(desk.submit, body), visit)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=schemas.Job,
    operation_id="retry_job",
    summary="Submit an ended job again",
    openapi_extra=documented_parameters(PREFER),
    responses=ACCEPTED_RESPONSE | problem_responses(404, 409, 413, 422),
)
async def retry_job(visit: AuthenticatedRequest, job_id: JobIdParam, desk: Submissions) -> Response:
    """A new job that asks for the same as one that has ended, in whatever way, of the dataset as it is now.

    Its `retry_of` names the old job, which stays as it is.
    """
    return await _accepted_response(await run_in_threadpool(desk.retry, job_id), visit)


async def _accepted_response(submission: Submission, visit: AuthenticatedRequest) -> Response:
    job, waiting = submission.job, await long_poll(visit)
    log.info("job accepted", job=job.id, replayed=submission.replayed)
    response = _job_response(await _wait_until_ended(job, visit.app_state.store, waiting))
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers.update(waiting.applied_headers)
    if submission.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


async def _wait_until_ended(job: Job, store: JobStore, waiting: LongPoll) -> Job:
    try:
        return await waiting.wait_until(
            job, lambda: store.job(job.id, tenant=job.tenant), until=lambda it: it.status.is_terminal
        )
    except JobNotFound:  # deleted as soon as it had ended; that it was accepted stays true
        return job


def _job_response(job: Job) -> Response:
    return json_response(schemas.Job.of(job), headers=_headers(job))


def _headers(job: Job) -> dict[str, str]:
    waiting = {} if job.status.is_terminal else {"Retry-After": str(POLL_SECONDS)}
    return {"ETag": strong_etag(str(job.version))} | waiting


@router.get(
    "",
    response_model=schemas.JobList,
    operation_id="list_jobs",
    summary="List jobs",
    openapi_extra=documented_parameters(METADATA_FILTER),
    responses=problem_responses(422),
)
def list_jobs(visit: AuthenticatedRequest, query: Annotated[JobListQuery, Query()]) -> Response:
    """The newest jobs first. Where there are more, `next` leads to them.

    Jobs that are submitted or deleted meanwhile move none from one page to another.
    """
    jobs = visit.app_state.store.jobs(
        tenant=visit.tenant, limit=query.limit + 1, after=query.after, criteria=query.to_filter()
    )
    page, more = jobs[: query.limit], len(jobs) > query.limit
    data = [schemas.Job.of(job) for job in page]
    return json_response(schemas.JobList(data=data, has_more=more, next=page_cursor(page[-1]) if more else None))


@router.get(
    "/{job_id}",
    response_model=schemas.Job,
    operation_id="read_job",
    summary="Read a job",
    openapi_extra=documented_parameters(PREFER, IF_NONE_MATCH),
    responses=documented_response(
        200,
        "The job as it stands.",
        ETag="Changes whenever the job does.",
        Retry_After="Seconds until asking again makes sense; absent once the job has ended.",
        Preference_Applied=PREFERENCE_APPLIED,
    )
    | NOT_MODIFIED
    | problem_responses(404, 413),
)
async def read_job(visit: AuthenticatedRequest, job_id: JobIdParam) -> Response:
    """How the job stands. Ask again after `Retry-After`, with the `ETag` in `If-None-Match`.

    With `Prefer: wait=N` as well, the answer comes when the job has changed, or N seconds later.
    """

    def look() -> Job:
        return visit.app_state.store.job(job_id, tenant=visit.tenant)

    def is_new(job: Job) -> bool:
        return not etag_matches(strong_etag(str(job.version)), visit.headers.get("if-none-match"))

    waiting = await long_poll(visit)
    job = await waiting.wait_until(
        await run_in_threadpool(look), look, until=lambda it: is_new(it) or it.status.is_terminal
    )
    response = _job_response(job) if is_new(job) else Response(status_code=304, headers=_headers(job))
    response.headers.update(waiting.applied_headers)
    return response


@router.post(
    "/{job_id}/cancel",
    response_model=schemas.Job,
    operation_id="cancel_job",
    summary="Cancel a job",
    responses=problem_responses(404, 409),
)
def cancel_job(visit: AuthenticatedRequest, job_id: JobIdParam) -> Response:
    """Stop the job: at once where it is queued, within seconds where it runs. Asking twice is no error.

    Once it is finalizing, or has ended in another way, there is nothing left to cancel.
    """
    return _job_response(visit.app_state.store.cancel(job_id, tenant=visit.tenant))


@router.delete(
    "/{job_id}",
    status_code=204,
    response_class=Response,
    operation_id="delete_job",
    summary="Delete a job",
    responses=documented_response(204, "The job is gone, and its files with it.") | problem_responses(404, 409),
)
def delete_job(visit: AuthenticatedRequest, job_id: JobIdParam) -> Response:
    """Delete a job that has ended, with its events and its files.

    Its Idempotency-Key goes too: sending the submission again stores a new job.
    """
    deletion.delete_ended_job(visit.app_state.store.engine, visit.app_state.artifacts, job_id, tenant=visit.tenant)
    return Response(status_code=204)
