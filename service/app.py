"""The FastAPI app: endpoints, middleware, and what lives as long as the process does."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Security
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from service.apidoc.document import DESCRIPTION, complete_document
from service.apidoc.responses import SERVICE_PROBLEMS, problem_responses
from service.apidoc.webhook_messages import router as messages
from service.broker import BrokerProbe, is_broker_reachable
from service.endpoints import (
    artifacts,
    datasets,
    docs,
    events,
    health,
    jobs,
    metrics,
    proxies,
    report,
    suspects,
    webhooks,
)
from service.http.authentication import Authenticator, KeyAuthenticator, OpenAuthenticator
from service.http.body_limit import BodyLimit
from service.http.dependencies import ApiKeyScheme, AppState, authenticate
from service.http.event_stream import EventStreams
from service.http.problems import HANDLERS
from service.http.request_log import RequestLog
from service.inspection.pool import InspectionPool
from service.limits.header_limit import HeaderLimit
from service.limits.held_requests import HeldRequests
from service.wake_ups import WakeUps, outbox_publisher
from ted_jobs.api_keys.secret import key_secret
from ted_jobs.api_keys.store import ApiKeyStore
from ted_jobs.db.engine import make_engine
from ted_jobs.files.artifacts import artifact_store
from ted_jobs.files.intact import IntactFiles
from ted_jobs.files.recuts import RecutStore
from ted_jobs.jobs.store import JobStore
from ted_jobs.registry import RegistrationStore
from ted_jobs.settings import Settings


class TedApi(FastAPI):
    """FastAPI, with the document of the API completed."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        self.openapi_schema = self.openapi_schema or complete_document(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the app with these settings, or with those of the environment."""
    settings = settings or Settings()
    app = TedApi(
        title="TED coreset service",
        version=version("ted-coreset"),
        description=DESCRIPTION,
        lifespan=partial(_lifespan, settings),
        exception_handlers=dict(HANDLERS),
        webhooks=messages,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(HeaderLimit)
    app.add_middleware(RequestLog)
    for endpoints in (jobs, events, artifacts, report, suspects, datasets, proxies, webhooks):
        app.include_router(
            endpoints.router,
            dependencies=[Depends(authenticate), Security(ApiKeyScheme())],
            responses=problem_responses(401, 429) | SERVICE_PROBLEMS,
        )
    for endpoints in (health, metrics, docs):
        app.include_router(endpoints.router, responses=SERVICE_PROBLEMS)
    app.mount(docs.ASSETS, docs.assets())
    return app


def _key_authenticator(engine: Engine, settings: Settings) -> Authenticator:
    keys = ApiKeyStore(engine, secret=key_secret(settings))
    return KeyAuthenticator(keys, requests_per_minute=settings.requests_per_minute)


AUTHENTICATORS: Mapping[str, Callable[[Engine, Settings], Authenticator]] = {
    "keys": _key_authenticator,
    "open": lambda *_: OpenAuthenticator(),
}


@asynccontextmanager
async def _lifespan(settings: Settings, app: FastAPI) -> AsyncIterator[dict[str, AppState]]:
    """Yield what every request finds in its state; made when the server starts, so that importing costs nothing."""
    engine = make_engine(settings.database)
    artifacts = artifact_store(settings)
    files = IntactFiles(artifacts, engine)
    store = JobStore(engine, max_attempts=settings.max_attempts, most_queued=settings.most_queued)
    app.state.streams = streams = EventStreams(engine)
    app.state.inspections = inspections = InspectionPool(
        settings.inspection_processes, roots=lambda: settings.allowed_roots
    )
    wake_ups = WakeUps(partial(outbox_publisher, engine, settings))
    state = AppState(
        settings=settings,
        store=store,
        artifacts=artifacts,
        files=files,
        recuts=RecutStore(store, files),
        names=RegistrationStore(engine),
        inspections=inspections,
        broker=BrokerProbe(partial(is_broker_reachable, settings)),
        wake_ups=wake_ups,
        streams=streams,
        held=HeldRequests(settings.most_streams),
        authenticator=AUTHENTICATORS[settings.auth](engine, settings),
    )
    yield {"app_state": state}
    await streams.aclose()
    await inspections.aclose()
    await run_in_threadpool(wake_ups.close)
    engine.dispose()
