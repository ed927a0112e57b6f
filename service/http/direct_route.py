"""A short cut for the busiest endpoints: they are called without FastAPI's resolution of dependencies."""

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import BackgroundTasks, Request, Response
from fastapi.routing import APIRoute

from service.http.authentication import Principal
from service.http.dependencies import AppState, app_state, authenticate


class DirectRoute(APIRoute):
    """A route that takes its endpoint's arguments from a plain request itself.

    The endpoint is an ordinary one, its signature is what the OpenAPI document is made from, and requests that are not
    plain reach it in FastAPI's way. FastAPI takes as long to resolve its arguments as the store takes to read a job:
    see docs/decisions/0015.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that authenticates the caller before anything else of the request can be refused."""
        resolve_and_call = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if not self.is_plain(request):
                return await resolve_and_call(request)
            background, state = BackgroundTasks(), await app_state(request)
            caller = await authenticate(request, state, background)
            response = await self.call_endpoint(request, state, caller)
            response.background = response.background or background
            return response

        return handle

    def is_plain(self, request: Request) -> bool:
        """Return whether the request has no parameters that FastAPI would have to check."""
        return True

    @abstractmethod
    async def call_endpoint(self, request: Request, state: AppState, caller: Principal) -> Response:
        """Return the endpoint's response to its arguments, which this reads from the request."""
