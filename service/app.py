"""The FastAPI app: endpoints, middleware, and what lives as long as the process does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, TypedDict

from fastapi import FastAPI

from service.body_limit import BodyLimit
from service.broker import BrokerProbe
from service.documentation import DESCRIPTION, completed
from service.endpoints import artifacts, health, jobs, metrics, proxies, report
from service.problems import HANDLERS
from service.request_log import RequestLog
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.buckets import store_of
from ted_jobs.database import connect
from ted_jobs.queue import broker_answers
from ted_jobs.settings import Settings
from ted_jobs.store import JobStore


class State(TypedDict):
    """What every request finds in its state; made when the server starts, so that importing costs nothing."""

    settings: Settings
    store: JobStore
    artifacts: ArtifactStore
    broker: BrokerProbe


class Service(FastAPI):
    """FastAPI, with the document of the API completed."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        self.openapi_schema = self.openapi_schema or completed(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app with these settings, or with those of the environment."""
    settings = settings or Settings()
    app = Service(
        title="TED coreset service",
        version=version("ted-coreset"),
        description=DESCRIPTION,
        lifespan=partial(_lifespan, settings),
        exception_handlers=dict(HANDLERS),
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(RequestLog)
    for endpoints in (jobs, artifacts, report, proxies, health, metrics):
        app.include_router(endpoints.router)
    return app


@asynccontextmanager
async def _lifespan(settings: Settings, _: FastAPI) -> AsyncIterator[State]:
    engine = connect(settings.database)
    yield State(
        settings=settings,
        store=JobStore(engine, max_attempts=settings.max_attempts),
        artifacts=store_of(settings),
        broker=BrokerProbe(partial(broker_answers, settings)),
    )
    engine.dispose()
