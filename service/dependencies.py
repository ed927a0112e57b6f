"""What endpoints ask for by type. All are ``async``, so that no thread is started only to hand over a value."""

import re
from typing import Annotated

import structlog
from fastapi import BackgroundTasks, Depends, Header, Path, Request
from pydantic import AfterValidator

from service.broker import BrokerProbe
from service.errors import ScopeMissing, UnsupportedMediaType
from service.identity import Gate, Identity
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.errors import JobNotFound
from ted_jobs.keys import Scope
from ted_jobs.recuts import Recuts
from ted_jobs.registry import Registry
from ted_jobs.settings import Settings
from ted_jobs.store import JobStore

SCOPES = {"GET": Scope.READ, "HEAD": Scope.READ}
"""What a method needs; any other changes something."""
JOB_ID = re.compile(r"job_[0-9a-f]{28}")


async def _settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def _store(request: Request) -> JobStore:
    store: JobStore = request.state.store
    return store


async def _artifacts(request: Request) -> ArtifactStore:
    artifacts: ArtifactStore = request.state.artifacts
    return artifacts


async def _recuts(request: Request) -> Recuts:
    recuts: Recuts = request.state.recuts
    return recuts


async def _names(request: Request) -> Registry:
    store: JobStore = request.state.store
    return Registry(store.engine)


async def _broker(request: Request) -> BrokerProbe:
    broker: BrokerProbe = request.state.broker
    return broker


async def _identity(request: Request, background: BackgroundTasks) -> Identity:
    """On whose behalf the request acts; from here on the log says so.

    Raises KeyNotAccepted, TooManyRequests, and ScopeMissing where the key is not good for this: to look takes one
    scope, to change anything another.
    """
    gate: Gate = request.state.gate
    identity = await gate.identity(request, later=background.add_task)
    structlog.contextvars.bind_contextvars(tenant=identity.tenant, key_id=identity.key_id)
    scope = SCOPES.get(request.method, Scope.SUBMIT)
    if not identity.may(scope):
        raise ScopeMissing(scope)
    return identity


def _could_be(job_id: str) -> str:
    """The id, which the log names from here on, once it could be one: no other ever reaches the database."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound(repr(job_id[:100]))
    structlog.contextvars.bind_contextvars(job=job_id)
    return job_id


async def _json_body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(f"Content-Type is {media_type!r}" if media_type else "There is no Content-Type")
    return await request.body()


Config = Annotated[Settings, Depends(_settings)]
Store = Annotated[JobStore, Depends(_store)]
Artifacts = Annotated[ArtifactStore, Depends(_artifacts)]
Recutting = Annotated[Recuts, Depends(_recuts)]
Names = Annotated[Registry, Depends(_names)]
Broker = Annotated[BrokerProbe, Depends(_broker)]
Caller = Annotated[Identity, Depends(_identity)]
JobId = Annotated[
    str, Path(description="The job's id.", examples=["job_019a2b3c4d5e0123456789abcdef"]), AfterValidator(_could_be)
]
JsonBody = Annotated[bytes, Depends(_json_body)]
KEYED = [Depends(_identity)]
"""What every router stands behind whose answers are not for everybody."""
IfNoneMatch = Annotated[str | None, Header(description="ETags the client already holds; answered with 304.")]
