"""Jobs: submit, repeat, list, read, cancel and delete them."""

import re
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.apidoc.responses import (
    JOB_SPEC_BODY,
    METADATA_FILTER,
    NOT_MODIFIED,
    Responses,
    documented_response,
    problem_responses,
)
from service.http.authentication import Principal
from service.http.bodies import json_response
from service.http.conditional import etag_matches, strong_etag
from service.http.dependencies import (
    AppState,
    Caller,
    IfNoneMatch,
    JobIdParam,
    RawJsonBody,
    State,
    check_job_id,
    raw_json_body,
)
from service.http.direct_route import DirectRoute
from service.http.paging import read_page
from service.http.prefer_wait import LongPoll, Poll, long_poll
from service.jobs.estimate import Estimate
from service.jobs.filter import JobListQuery
from service.jobs.submission import SubmissionService
from service.schemas import jobs as schemas
from ted_jobs.errors import JobNotFound
from ted_jobs.jobs import deletion
from ted_jobs.jobs.filter import page_cursor
from ted_jobs.jobs.models import Job
from ted_jobs.jobs.store import JobStore, Submission
from ted_jobs.queue.position import queue_position

log = structlog.get_logger()
router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_SECONDS = 1


# --- submit -----------------------------------------------------------------------------------------------------------


PREFERENCE_APPLIED = "wait=N, if the client asked for it with Prefer."
ACCEPTED_RESPONSE = documented_response(
    202,
    "The job is stored and will be run; after `Prefer: wait` it may have ended already, as `status` tells.",
    Location="The job.",
    Retry_After="Seconds until asking makes sense; absent if the job has ended.",
    ETag="Changes whenever the job does.",
    Idempotent_Replayed="true, if an earlier request with this Idempotency-Key had stored the job.",
    Preference_Applied=PREFERENCE_APPLIED,
)
ESTIMATE_RESPONSE: Responses = {
    200: {"model": Estimate, "description": "With `validate_only`: the job would be accepted, and what it would take."}
}

IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]+")
LONGEST_IDEMPOTENCY_KEY = 255
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=f"^{IDEMPOTENCY_KEY.pattern}$",
        max_length=LONGEST_IDEMPOTENCY_KEY,
        description="The client's own name for this submission: sending it again with the same body stores nothing new "
        "and answers with the job of the first time.",
    ),
]


async def _submission_service(state: State, caller: Caller, key: IdempotencyKeyHeader = None) -> SubmissionService:
    return SubmissionService(state, caller, key)


Submissions = Annotated[SubmissionService, Depends(_submission_service)]


class SubmitQuery(BaseModel):
    """What is to become of the job."""

    model_config = ConfigDict(extra="forbid")

    validate_only: Annotated[bool, Field(description="Check the job and say what it would take; store nothing.")] = (
        False
    )


async def submit_job(
    submissions: Submissions, query: Annotated[SubmitQuery, Query()], body: RawJsonBody, poll: Poll
) -> Response:
    """Check everything that can be checked without reading the rows, then store the job.

    The job comes back with every default written out; with `Prefer: wait=N`, when it has ended or N seconds later.
    With `validate_only`, nothing is stored, and what the job would take comes back instead.
    """
    if query.validate_only:
        return json_response(await submissions.estimate(body))
    return await _accepted_response(await submissions.submit(body), submissions.state.store, poll)


class SubmitJobRoute(DirectRoute):
    """The short cut to the busiest endpoint that writes."""

    def is_plain(self, request: Request) -> bool:
        """Return whether there is no query, and no Idempotency-Key that might have to be refused."""
        key = request.headers.get("idempotency-key")
        return not request.scope["query_string"] and (
            key is None or (len(key) <= LONGEST_IDEMPOTENCY_KEY and IDEMPOTENCY_KEY.fullmatch(key) is not None)
        )

    async def call_endpoint(self, request: Request, state: AppState, caller: Principal) -> Response:
        """Submit a job, its arguments read without FastAPI."""
        submissions = SubmissionService(state, caller, request.headers.get("idempotency-key"))
        body = await raw_json_body(request)
        return await submit_job(submissions, SubmitQuery(), body, await long_poll(request, state, caller))


router.add_api_route(
    "",
    submit_job,
    methods=["POST"],
    route_class_override=SubmitJobRoute,
    status_code=202,
    response_model=schemas.Job,
    operation_id="submit_job",
    summary="Submit a job",
    openapi_extra=JOB_SPEC_BODY,
    responses=ACCEPTED_RESPONSE | ESTIMATE_RESPONSE | problem_responses(400, 413, 415, 422),
)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=schemas.Job,
    operation_id="retry_job",
    summary="Submit an ended job again",
    responses=ACCEPTED_RESPONSE | problem_responses(404, 409, 413, 422),
)
async def retry_job(job_id: JobIdParam, submissions: Submissions, poll: Poll) -> Response:
    """A new job that asks for the same as one that has ended, in whatever way, of the dataset as it is now.

    Its `retry_of` names the old job, which stays as it is.
    """
    return await _accepted_response(await submissions.retry(job_id), submissions.state.store, poll)


async def _accepted_response(submission: Submission, store: JobStore, poll: LongPoll) -> Response:
    log.info("job accepted", job=submission.job.id, replayed=submission.replayed)
    job = await _wait_until_ended(submission.job, store, poll)
    headers = _headers(job) | poll.applied_headers | {"Location": f"/v1/jobs/{job.id}"}
    if submission.replayed:
        headers["Idempotent-Replayed"] = "true"
    return json_response(schemas.Job.of(job), status=202, headers=headers)


async def _wait_until_ended(job: Job, store: JobStore, poll: LongPoll) -> Job:
    def read() -> Job:
        return store.job(job.id, tenant=job.tenant)

    try:
        return await poll.wait_until(job, read, until=lambda current: current.status.is_terminal)
    except JobNotFound:  # deleted as soon as it had ended; that it was accepted stays true
        return job


def _headers(job: Job) -> dict[str, str]:
    retry_after = {} if job.status.is_terminal else {"Retry-After": str(POLL_SECONDS)}
    return {"ETag": strong_etag(str(job.version))} | retry_after


# --- list and read ----------------------------------------------------------------------------------------------------


@router.get(
    "",
    response_model=schemas.JobList,
    operation_id="list_jobs",
    summary="List jobs",
    openapi_extra=METADATA_FILTER,
    responses=problem_responses(422),
)
def list_jobs(query: Annotated[JobListQuery, Query()], state: State, caller: Caller) -> Response:
    """The newest jobs first. If there are more, `next` leads to them.

    Jobs that are submitted or deleted meanwhile move none from one page to another. If a label is asked for together
    with another one or a status, one request looks through 2,000 jobs with the rarest label: a page may hold fewer than
    `limit`, or none, and `next` still leads on.
    """
    store, tenant, after = state.store, caller.tenant, query.after
    criteria = store.narrowed(query.to_criteria(), tenant=tenant, after=after)
    page = read_page(lambda limit: store.jobs(tenant=tenant, limit=limit, after=after, criteria=criteria), query.limit)
    following = page.next(page_cursor) or (page_cursor(criteria.last) if criteria.last else None)
    data = [schemas.Job.of(job) for job in page.rows]
    # Written here: FastAPI's encoder takes longer than everything else.
    return json_response(schemas.JobList(data=data, has_more=following is not None, next=following))


async def read_job(
    job_id: JobIdParam, state: State, caller: Caller, poll: Poll, if_none_match: IfNoneMatch = None
) -> Response:
    """How the job stands. Ask again after `Retry-After`, with the `ETag` in `If-None-Match`.

    With `Prefer: wait=N` as well, the answer comes when the job has changed, or N seconds later.
    """

    def read() -> Job:
        return state.store.job(job_id, tenant=caller.tenant)

    def is_new(job: Job) -> bool:
        return not etag_matches(strong_etag(str(job.version)), if_none_match)

    job = await poll.wait_until(
        await run_in_threadpool(read), read, until=lambda current: is_new(current) or current.status.is_terminal
    )
    headers = _headers(job) | poll.applied_headers
    return json_response(schemas.Job.of(job), headers=headers) if is_new(job) else Response(None, 304, headers)


class ReadJobRoute(DirectRoute):
    """The short cut to the busiest endpoint of all: clients poll it."""

    async def call_endpoint(self, request: Request, state: AppState, caller: Principal) -> Response:
        """Read a job, its arguments read without FastAPI."""
        return await read_job(
            check_job_id(request.path_params["job_id"]),
            state,
            caller,
            await long_poll(request, state, caller),
            request.headers.get("if-none-match"),
        )


router.add_api_route(
    "/{job_id}",
    read_job,
    methods=["GET"],
    route_class_override=ReadJobRoute,
    response_model=schemas.Job,
    operation_id="read_job",
    summary="Read a job",
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


@router.get(
    "/{job_id}/queue",
    operation_id="read_queue",
    summary="Read a job's place in the queue",
    responses=problem_responses(404),
)
def read_queue(job_id: JobIdParam, state: State, caller: Caller) -> schemas.Queue:
    """How many of your own jobs start before this one, and whether any worker works.

    Tenants take turns, so jobs of others may start in between.
    """
    return schemas.Queue(**vars(queue_position(state.store.engine, job_id, tenant=caller.tenant)))


# --- cancel and delete ------------------------------------------------------------------------------------------------


@router.post(
    "/{job_id}/cancel", operation_id="cancel_job", summary="Cancel a job", responses=problem_responses(404, 409)
)
def cancel_job(job_id: JobIdParam, state: State, caller: Caller, response: Response) -> schemas.Job:
    """Stop the job: at once if it is queued, within seconds if it runs. Asking twice is no error.

    Once it is finalizing, or has ended in another way, there is nothing left to cancel.
    """
    job = state.store.cancel(job_id, tenant=caller.tenant)
    response.headers.update(_headers(job))
    return schemas.Job.of(job)


@router.delete(
    "/{job_id}",
    status_code=204,
    operation_id="delete_job",
    summary="Delete a job",
    responses=documented_response(204, "The job is gone, and its files with it.") | problem_responses(404, 409),
)
def delete_job(job_id: JobIdParam, state: State, caller: Caller) -> None:
    """Delete a job that has ended, with its events and its files.

    Its Idempotency-Key goes too: sending the submission again stores a new job.
    """
    deletion.delete_ended_job(state.store.engine, state.artifacts, job_id, tenant=caller.tenant)
