"""What endpoints ask for: whose request it is, the store, ids that can exist."""

import hashlib
import re
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Path, Query, Request

from ted_jobs.artifacts import ArtifactStore
from ted_jobs.errors import JobNotFound, UnknownCursor
from ted_jobs.settings import Settings
from ted_jobs.store import IdempotencyKey, JobStore

JOB_ID = re.compile(r"job_[0-9a-f]{28}")
EVERYONE = "default"


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _store(request: Request) -> JobStore:
    store: JobStore = request.app.state.store
    return store


def _artifacts(request: Request) -> ArtifactStore:
    artifacts: ArtifactStore = request.app.state.artifacts
    return artifacts


def _tenant() -> str:
    """Whose jobs the request may see. One tenant until there are keys."""
    return EVERYONE


def _job_id(job_id: Annotated[str, Path(description="The job's id.", max_length=200)]) -> str:
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound(repr(job_id))
    return job_id


def _cursor(
    after: Annotated[str | None, Query(max_length=200, description="A job's id: list what is older.")] = None,
) -> str | None:
    if after is not None and not JOB_ID.fullmatch(after):
        raise UnknownCursor(repr(after), field="after")
    return after


def _json_only(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, f"The body must be application/json, not {content_type or 'untyped'!r}.")


async def _idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            pattern=r"^[\x20-\x7e]+$",
            description="Makes the request safe to repeat: the same key and body never start a second job.",
        ),
    ] = None,
) -> IdempotencyKey | None:
    if idempotency_key is None:
        return None
    return IdempotencyKey(idempotency_key, hashlib.sha256(await request.body()).hexdigest())


CurrentSettings = Annotated[Settings, Depends(_settings)]
Store = Annotated[JobStore, Depends(_store)]
Artifacts = Annotated[ArtifactStore, Depends(_artifacts)]
Tenant = Annotated[str, Depends(_tenant)]
JobId = Annotated[str, Depends(_job_id)]
Cursor = Annotated[str | None, Depends(_cursor)]
Limit = Annotated[int, Query(ge=1, le=100, description="At most this many.")]
Idempotency = Annotated[IdempotencyKey | None, Depends(_idempotency_key)]
json_only = Depends(_json_only)
