"""What has happened to a job: page by page, or as it happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.responses import EVENT_STREAM, Responses, documented_response, problem_responses
from service.http.authentication import Principal
from service.http.bodies import JSON, json_response
from service.http.dependencies import Accept, Caller, JobIdParam, State
from service.http.event_stream import MEDIA_TYPE, EventStreamResponse, EventStreams
from service.http.negotiation import preferred_media_type
from service.http.paging import read_page
from service.limits.held_requests import HeldRequests
from service.schemas import jobs
from ted_jobs.jobs.models import Event
from ted_jobs.jobs.store import JobStore

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])

PAGE_SIZE = 100
MAX_SEQUENCE = 2**53

OK_RESPONSE = documented_response(200, "A page of events as JSON, or all of them as they happen.", Vary="Accept")
RESPONSES: Responses = {
    200: OK_RESPONSE[200] | EVENT_STREAM,
    **documented_response(
        204, "To `Accept: text/event-stream` only: the job has ended and the client has heard its last event."
    ),
    **problem_responses(404, 422),
}


class EventFilter(BaseModel):
    """Which events to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, lt=MAX_SEQUENCE, description="List events that follow this sequence number.")] = 0
    limit: Annotated[int, Field(ge=1, le=100, description="Of a JSON page; streams have none.")] = 100


LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        lt=MAX_SEQUENCE,
        description="Of a stream: the last `id` that the client has heard, which counts more than `after`.",
    ),
]


@dataclass(frozen=True)
class JobEvents:
    """One job's events, as one client asks for them."""

    job_id: str
    caller: Principal
    store: JobStore
    streams: EventStreams
    held: HeldRequests
    query: EventFilter
    last_event_id: int | None

    def page(self) -> Response:
        """Return a page as JSON, and where the next one begins, now or later."""
        page = read_page(lambda limit: self._read(self.query.after, limit), self.query.limit)
        last_sequence = page.rows[-1].sequence if page.rows else self.query.after
        data = [jobs.Event.of(event) for event in page.rows]
        events = jobs.EventList(data=data, has_more=page.has_more, next=last_sequence)
        return json_response(events, headers={"Vary": "Accept"})

    def stream(self) -> Response:
        """Return all that follow, as they happen; 204 if none will: only that keeps an EventSource from coming back."""
        after = self.query.after if self.last_event_id is None else self.last_event_id
        job = self.store.job(self.job_id, tenant=self.caller.tenant)
        if job.status.is_terminal and not self._read(after, limit=1):
            return Response(status_code=204, headers={"Vary": "Accept"})
        frames = self.streams.listen(self.job_id, after=after, read=self._read)
        return EventStreamResponse(frames, self.held.hold(self.caller.quota_name))

    def _read(self, after: int, limit: int = PAGE_SIZE) -> list[Event]:
        return self.store.events(self.job_id, tenant=self.caller.tenant, after=after, limit=limit)


RENDERERS: Mapping[str, Callable[[JobEvents], Response]] = {JSON: JobEvents.page, MEDIA_TYPE: JobEvents.stream}


async def _job_events(
    state: State,
    caller: Caller,
    job_id: JobIdParam,
    query: Annotated[EventFilter, Query()],
    *,
    last_event_id: LastEventId = None,
) -> JobEvents:
    return JobEvents(job_id, caller, state.store, state.streams, state.held, query, last_event_id)


@router.get(
    "/events",
    response_model=jobs.EventList,
    operation_id="list_job_events",
    summary="List what has happened to a job, or listen to it",
    responses=RESPONSES,
)
def list_job_events(events: Annotated[JobEvents, Depends(_job_events)], accept: Accept = None) -> Response:
    """Changes of status and finished rounds, oldest first; pass `next` as `after` to hear what is new.

    With `Accept: text/event-stream`, Server-Sent Events: each stored event under its sequence as `id`, and `progress`
    of the running job without one. The stream ends after the job's last event; until then, whoever is cut off comes
    back with `Last-Event-ID` and misses nothing.
    """
    return RENDERERS[preferred_media_type(accept, list(RENDERERS))](events)
