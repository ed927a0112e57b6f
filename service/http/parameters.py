"""Parameters that several endpoints have: checked, documented, and written into the log's context."""

import re
from typing import Annotated

import structlog
from fastapi import Depends, Header, Path, Request
from pydantic import AfterValidator

from service.http.bodies import JSON
from service.http.errors import UnsupportedMediaType
from ted_jobs.errors import JobNotFound

JOB_ID = re.compile(r"job_[0-9a-f]{28}")


def _check_job_id(job_id: str) -> str:
    """The id, which the log names from here on, once it could be one: no other ever reaches the database."""
    if not JOB_ID.fullmatch(job_id):
        raise JobNotFound(repr(job_id[:100]))
    structlog.contextvars.bind_contextvars(job=job_id)
    return job_id


async def json_body(call: Request) -> bytes:
    """The body, once it says that it is JSON. Raises UnsupportedMediaType, BodyTooLarge."""
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise UnsupportedMediaType(f"Content-Type is {media_type!r}" if media_type else "There is no Content-Type")
    return await call.body()


JobIdParam = Annotated[
    str, Path(description="The job's id.", examples=["job_019a2b3c4d5e0123456789abcdef"]), AfterValidator(_check_job_id)
]
JsonBody = Annotated[bytes, Depends(json_body)]
IF_NONE_MATCH_DESCRIPTION = "ETags the client already holds; answered with 304."
IfNoneMatch = Annotated[str | None, Header(description=IF_NONE_MATCH_DESCRIPTION)]
