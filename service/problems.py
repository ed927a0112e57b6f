"""From errors to responses: RFC 9457 problems. The one table that knows which error has which status."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from service.schemas import FieldProblem, Problem
from ted_core.errors import TedError
from ted_jobs.errors import ArtifactNotReady, JobNotFound, NotCancellable

log = structlog.get_logger()

STATUSES: Mapping[type[TedError], HTTPStatus] = {
    JobNotFound: HTTPStatus.NOT_FOUND,
    ArtifactNotReady: HTTPStatus.CONFLICT,
    NotCancellable: HTTPStatus.CONFLICT,
}
"""Every other TedError is about what the request says: 422."""

CODES = {
    HTTPStatus.BAD_REQUEST: "malformed_body",
    HTTPStatus.NOT_FOUND: "no_such_url",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}
UNION_BRANCHES = ("str", "float", "int", "constrained-", "list[", "literal[", "function-")
RETRY_SECONDS = "2"


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem."""
    app.add_exception_handler(TedError, _ted_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(Exception, _defect)


def problem(
    status: HTTPStatus,
    code: str,
    *,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response for one problem; its title is the status's phrase."""
    document = Problem(
        type=f"urn:ted:problem:{code}",
        title=status.phrase,
        status=status,
        code=code,
        detail=detail,
        errors=list(errors),
    )
    return JSONResponse(
        document.model_dump(mode="json"), status, headers=headers, media_type="application/problem+json"
    )


def _ted_error(_: Request, error: Any) -> JSONResponse:
    status = STATUSES.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    errors = [FieldProblem(field=error.field, message=str(error))] if error.field else []
    return problem(status, error.code(), detail=str(error), errors=errors)


def _validation_error(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem(
            HTTPStatus.BAD_REQUEST, "malformed_body", detail=f"The body is not JSON: {first['ctx']['error']}."
        )
    found = [FieldProblem(field=_field(fault["loc"]), message=fault["msg"]) for fault in error.errors()]
    detail = "; ".join(f"{fault.field}: {fault.message}" for fault in found)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail=detail, errors=found)


def _field(location: Sequence[str | int]) -> str:
    """The place in the request as its author would write it: plan.keep_ratio, limit, Idempotency-Key."""
    _, *path = location
    return ".".join(str(part) for part in path if not str(part).startswith(UNION_BRANCHES)) or "body"


def _http_exception(_: Request, error: Any) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    return problem(status, CODES.get(status, "http_error"), detail=str(error.detail), headers=error.headers)


def _database_away(request: Request, error: Any) -> JSONResponse:
    log.error("database does not answer", path=request.url.path, error=str(error.orig))
    detail = "The job store does not answer; nothing was changed. Send the request again."
    headers = {"Retry-After": RETRY_SECONDS}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", detail=detail, headers=headers)


def _defect(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    detail = "This is a defect of the service; its log holds the trace under this response's X-Request-ID."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail=detail)
