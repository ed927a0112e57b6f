"""What an endpoint asks for by type: the request, with the service around it and who was let in.

A class of request and a class of route, not dependencies: FastAPI takes as long over three of those as the store over a
job. So a dependency is worth its time where a value is checked, or prepared for several endpoints.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import BackgroundTasks, Request, Response
from fastapi.routing import APIRoute

from service.broker import BrokerProbe
from service.http.authentication import AddBackgroundTask, Authenticator, Principal
from service.http.errors import ScopeMissing
from service.http.event_stream import EventStreams
from ted_jobs.api_keys.store import Scope
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.recuts import RecutStore
from ted_jobs.jobs.store import JobStore
from ted_jobs.registry import RegistrationStore
from ted_jobs.settings import Settings

SCOPES = {"GET": Scope.READ, "HEAD": Scope.READ}
"""What a method needs; any other changes something."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True)
class AppState:
    """What the service is made of, as long as the process lives."""

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    recuts: RecutStore
    names: RegistrationStore
    broker: BrokerProbe
    streams: EventStreams
    authenticator: Authenticator


class AppRequest(Request):
    """A request of anybody."""

    @property
    def app_state(self) -> AppState:
        """The service that is asked."""
        parts: AppState = self.scope["state"]["parts"]
        return parts


class AuthenticatedRequest(AppRequest):
    """A request of somebody who was let in."""

    caller: Principal

    @property
    def tenant(self) -> str:
        """Whose jobs the request is about."""
        return self.caller.tenant


class PublicRoute(APIRoute):
    """A way in for everybody."""

    def get_route_handler(self) -> Handler:
        """The same with a ``AppRequest``."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            return await answer(AppRequest(request.scope, request.receive))

        return answered


class AuthenticatedRoute(APIRoute):
    """A way in for those whose key is good for it; nothing else of their request is looked at before."""

    def get_route_handler(self) -> Handler:
        """The same with a ``AuthenticatedRequest``."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            visit, later = AuthenticatedRequest(request.scope, request.receive), BackgroundTasks()
            visit.caller = await _authenticate(visit, later=later.add_task)
            response = await answer(visit)
            response.background = response.background or later
            return response

        return answered


async def _authenticate(visit: AuthenticatedRequest, *, later: AddBackgroundTask) -> Principal:
    """On whose behalf the request acts; from here on the log says so.

    Raises KeyNotAccepted, TooManyRequests, and ScopeMissing where the key is not good for this: to look takes one
    scope, to change anything another.
    """
    identity = await visit.app_state.authenticator.authenticate(visit, later=later)
    structlog.contextvars.bind_contextvars(tenant=identity.tenant, key_id=identity.key_id)
    scope = SCOPES.get(visit.method, Scope.SUBMIT)
    if not identity.may(scope):
        raise ScopeMissing(scope)
    return identity
