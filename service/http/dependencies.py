"""What endpoints depend on: the state of the app, the authenticated caller, and parameters that several have."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import BackgroundTasks, Depends, Header, Path, Request
from fastapi.openapi.models import HTTPBearer as HttpBearerScheme
from fastapi.security.base import SecurityBase
from pydantic import AfterValidator

from service.broker import BrokerProbe
from service.http.authentication import Authenticator, Principal
from service.http.bodies import JSON, Model, parse_body
from service.http.errors import ScopeMissing, UnsupportedMediaType
from service.http.event_stream import EventStreams
from service.inspection.pool import InspectionPool
from service.limits.held_requests import HeldRequests
from service.wake_ups import WakeUps
from ted_jobs.api_keys.store import Scope
from ted_jobs.errors import JobNotFound
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.intact import IntactFiles
from ted_jobs.files.recuts import RecutStore
from ted_jobs.jobs.store import JobStore
from ted_jobs.registry import RegistrationStore
from ted_jobs.settings import Settings

READ_METHODS = frozenset({"GET", "HEAD"})
"""These need the scope ``read``; any other method changes something and needs ``submit``."""
JOB_ID = re.compile(r"job_[0-9a-f]{28}")


# --- the state of the app ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AppState:
    """What the service is made of, as long as the process lives."""

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    files: IntactFiles
    recuts: RecutStore
    names: RegistrationStore
    inspections: InspectionPool
    broker: BrokerProbe
    wake_ups: WakeUps
    streams: EventStreams
    held: HeldRequests
    authenticator: Authenticator


async def app_state(request: Request) -> AppState:
    """Return what the app made when it started."""
    state: AppState = request.state.app_state
    return state


State = Annotated[AppState, Depends(app_state)]


# --- the caller -------------------------------------------------------------------------------------------------------


class ApiKeyScheme(SecurityBase):
    """How keys are sent, for the OpenAPI document; the authenticator reads the header itself."""

    scheme_name = "key"
    model = HttpBearerScheme(
        bearerFormat="ted_…",
        description="A key that `ted keys create` has made. Reading needs its scope `read`, everything else `submit`; "
        "the scope `admin` implies both. A service that was started with `TED_AUTH=open` asks for none.",
    )

    async def __call__(self) -> None:
        """Do nothing: a dependency has to be callable."""


async def authenticate(request: Request, state: State, background: BackgroundTasks) -> Principal:
    """Return on whose behalf the request acts; from here on the log says so.

    Raises KeyNotAccepted, TooManyRequests, and ScopeMissing if the key lacks the scope that the method needs.
    """
    principal = await state.authenticator.authenticate(request, later=background.add_task)
    structlog.contextvars.bind_contextvars(tenant=principal.tenant, key_id=principal.key_id)
    scope = Scope.READ if request.method in READ_METHODS else Scope.SUBMIT
    if not principal.may(scope):
        raise ScopeMissing(scope)
    return principal


Caller = Annotated[Principal, Depends(authenticate)]


# --- parameters -------------------------------------------------------------------------------------------------------


def check_job_id(job_id: str) -> str:
    """Return the id, which the log names from here on. Raise JobNotFound if it cannot be one: no such id ever reaches
    the database."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound(repr(job_id[:100]))
    structlog.contextvars.bind_contextvars(job=job_id)
    return job_id


JobIdParam = Annotated[
    str, Path(description="The job's id.", examples=["job_019a2b3c4d5e0123456789abcdef"]), AfterValidator(check_job_id)
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="ETags the client already holds; answered with 304.")
]
Accept = Annotated[str | None, Header(include_in_schema=False)]


async def raw_json_body(request: Request) -> bytes:
    """Return the body if it is declared as JSON. Raises UnsupportedMediaType, BodyTooLarge."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise UnsupportedMediaType(f"Content-Type is {media_type!r}" if media_type else "There is no Content-Type")
    return await request.body()


RawJsonBody = Annotated[bytes, Depends(raw_json_body)]


def json_body(model: type[Model]) -> Callable[[bytes], Model]:
    """Return a dependency that parses the body as this model, strictly.

    FastAPI's own body parameters are read before any dependency, and so before the key is checked.
    """

    def parse(body: RawJsonBody) -> Model:  # no coroutine, so that a long body is parsed in a thread
        return parse_body(model, body)

    return parse
