"""The FastAPI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import openapi, problems
from service.endpoints import artifacts, health, jobs, proxies
from service.endpoints.health import BrokerWatch
from service.middleware import BoundedBody, RequestIds
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.database import connect
from ted_jobs.settings import Settings
from ted_jobs.store import JobStore


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service on these settings, or on those of the environment. The database must have been migrated."""
    settings = settings or Settings()
    engine = connect(settings.database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(**openapi.DESCRIPTION, lifespan=lifespan, redirect_slashes=False)
    app.state.settings = settings
    app.state.store = JobStore(engine, max_attempts=settings.max_attempts)
    app.state.artifacts = ArtifactStore(settings.artifacts)
    app.state.broker = BrokerWatch(settings)
    for endpoints in (jobs, artifacts, proxies, health):
        app.include_router(endpoints.router)
    problems.install(app)
    app.add_middleware(BoundedBody, limit=settings.max_body_bytes)
    app.add_middleware(RequestIds)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app
