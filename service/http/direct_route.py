"""A short cut for the busiest endpoints: they are called without FastAPI's resolution of dependencies."""

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import BackgroundTasks, Request, Response
from fastapi.routing import APIRoute

from service.http.authentication import Principal
from service.http.dependencies import AppState, app_state, authenticate


class DirectRoute(APIRoute):
    """A route that takes its endpoint's arguments from the request itself.

    The endpoint is an ordinary one, its signature is what the OpenAPI document is made from, and without this class it
    answers the same. FastAPI takes as long to resolve its arguments as the store takes to read a job: see
    docs/decisions/0015.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that authenticates the caller before anything else of the request is looked at."""

        async def handle(request: Request) -> Response:
            background, state = BackgroundTasks(), await app_state(request)
            caller = await authenticate(request, state, background)
            response = await self.call_endpoint(request, state, caller)
            response.background = response.background or background
            return response

        return handle

    @abstractmethod
    async def call_endpoint(self, request: Request, state: AppState, caller: Principal) -> Response:
        """Return the endpoint's response to its arguments, which this reads from the request."""
