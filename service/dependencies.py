"""What endpoints ask for by type. All are ``async``, so that no thread is started only to hand over a value."""

import re
from typing import Annotated

import structlog
from fastapi import Depends, Header, Path, Request

from service.broker import BrokerProbe
from service.errors import UnsupportedMediaType
from ted_jobs.artifacts import ArtifactStore
from ted_jobs.errors import JobNotFound
from ted_jobs.settings import Settings
from ted_jobs.store import JobStore

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


async def _broker(request: Request) -> BrokerProbe:
    broker: BrokerProbe = request.state.broker
    return broker


async def _tenant() -> str:
    """Whose jobs these are. Everyone's, until there are keys to tell clients apart."""
    return "default"


async def _job_id(
    job_id: Annotated[str, Path(description="The job's id.", examples=["job_019a2b3c4d5e0123456789abcdef"])],
) -> str:
    """The id, once it could be one: what no job can be called never reaches the database."""
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
Broker = Annotated[BrokerProbe, Depends(_broker)]
Tenant = Annotated[str, Depends(_tenant)]
JobId = Annotated[str, Depends(_job_id)]
JsonBody = Annotated[bytes, Depends(_json_body)]
IfNoneMatch = Annotated[str | None, Header(description="ETags the client already holds; answered with 304.")]
