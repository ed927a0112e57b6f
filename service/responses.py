"""Documents → responses, and the error responses that endpoints declare."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from service.schemas import Problem


def answered(document: BaseModel, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """The document as JSON, serialized once."""
    return Response(document.model_dump_json(), status, headers=headers, media_type="application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The declaration that an endpoint may answer with problems of these statuses (500 and 503 always may)."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in (*statuses, 500, 503)}


def not_modified(etag: str, if_none_match: str | None) -> bool:
    """Whether the client already has the version with this quoted tag (RFC 9110, 13.1.2: weak comparison)."""
    known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in known or "*" in known


MEANINGS = {
    400: "The body is not JSON.",
    404: "There is no such job.",
    409: "The job's status does not allow this.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    416: "The range lies outside the file.",
    422: "The request is understood but cannot be carried out; `errors` names the fields.",
    500: "A defect of the service.",
    503: "The job store does not answer; try again.",
}
