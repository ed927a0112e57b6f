"""Errors → RFC 9457 problems. The one table from error to status."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from service.http import errors as http
from service.http.validation import parameter_errors
from service.inspection.errors import InspectionBusy
from service.schemas.problems import FieldError, Problem
from ted_core import errors as core
from ted_core.errors import TedError
from ted_jobs import errors as jobs
from ted_jobs.db.engine import is_database_unavailable

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
QUEUE_RETRY_AFTER_SECONDS = 15
"""When it is worth trying a full queue again."""
INSPECTION_RETRY_AFTER_SECONDS = 2
"""The same for the processes that look at datasets: they take a few seconds at most."""
CHALLENGE = 'Bearer realm="ted"'
REQUEST = "request"
"""The field of what concerns none in particular."""
UNSTORABLE_VALUE = FieldError(field=REQUEST, message="holds a value that the database cannot store, such as NUL")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

STATUS: Mapping[type[TedError], int] = {
    # the request cannot be read
    http.MalformedRequest: 400,
    http.MalformedJson: 400,
    http.RequestTimedOut: 408,
    http.HeadersTooLarge: 431,
    http.BodyTooLarge: 413,
    http.UnsupportedMediaType: 415,
    http.InvalidRequest: 422,
    http.RangeNotSatisfiable: 416,
    # the dataset cannot be used
    core.DatasetNotAllowed: 422,
    core.DatasetNotFound: 422,
    core.StoreRefused: 422,
    core.DatasetUnreadable: 422,
    core.SplitsMixed: 422,
    core.UnknownSplit: 422,
    core.SchemasDiffer: 422,
    core.DatasetEmpty: 422,
    core.DatasetTooLarge: 422,
    core.UnknownColumn: 422,
    core.UnusableInputs: 422,
    core.UnusableLabels: 422,
    core.SettingUnsuited: 422,
    core.TooFewShards: 422,
    core.MissingValues: 422,
    core.MixedTypes: 422,
    core.UndecodableImages: 422,
    core.SingleClass: 422,
    core.NothingToLearn: 422,
    core.WarningsRefused: 422,
    # plan, proxy and dataset do not fit together
    core.TooFewRowsKept: 422,
    core.TooFewRounds: 422,
    core.TooManyBlocks: 422,
    core.UnknownProxy: 422,
    core.UnknownModel: 422,
    core.MethodUnsuited: 422,
    core.ProxyMismatch: 422,
    core.ModelTooLarge: 422,
    # the decisions cannot be cut elsewhere
    core.RecutUnsuited: 422,
    # the job is not there, or not in the state for this
    jobs.JobNotFound: 404,
    jobs.WebhookNotFound: 404,
    jobs.DeliveryNotFound: 404,
    http.NoReport: 404,
    http.NoSuspects: 404,
    jobs.NotRegistered: 404,
    jobs.UnknownDataset: 422,
    jobs.NameTaken: 409,
    jobs.TooManyNames: 409,
    jobs.UnknownCursor: 422,
    jobs.IdempotencyConflict: 422,
    jobs.NotCancellable: 409,
    jobs.JobNotEnded: 409,
    jobs.ArtifactNotReady: 409,
    jobs.ArtifactLost: 410,
    # the webhook is not there, leads where none may, or is not in the state for this
    jobs.TargetRefused: 422,
    jobs.TooManyWebhooks: 409,
    jobs.WebhookDisabled: 409,
    # the client may not
    http.KeyNotAccepted: 401,
    http.ScopeMissing: 403,
    http.MetricsNotShown: 403,
    http.TooManyRequests: 429,
    http.TooManyStreams: 429,
    jobs.TooManyQueued: 429,
    # the service cannot
    http.TooManyConnections: 503,
    http.DatabaseUnavailable: 503,
    InspectionBusy: 503,
    jobs.RecutBusy: 503,
    core.StoreUnavailable: 503,
    jobs.ArtifactsRefused: 503,
    jobs.JobUnreadable: 503,
}
"""An error that is not listed is a defect of the service, and answered with 500."""


class ProblemResponse(Response):
    """A problem on its way to the client."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.model_dump_json(), status_code=problem.status, headers=headers)


def new_problem(request_id: str, status: int, *, code: str, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    """Return the problem that this request met."""
    return Problem(
        type=f"urn:ted:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        errors=list(errors),
        instance=f"urn:ted:request:{request_id}",
    )


def internal_error_response(request: Request) -> ProblemResponse:
    """Return the response to a defect: it reveals nothing but the id under which the log has more."""
    detail = "The service met an error of its own; its log holds more under this request's id."
    return ProblemResponse(new_problem(request.state.request_id, 500, code="internal_error", detail=detail))


async def _ted_error_response(request: Request, error: TedError) -> Response:
    status = STATUS.get(type(error))
    if status is None:
        log.error("unlisted error", exc_info=error)
        return internal_error_response(request)
    problem = new_problem(request.state.request_id, status, code=error.code(), detail=str(error), errors=_fields(error))
    return ProblemResponse(problem, problem_headers(error))


def _fields(error: TedError) -> Sequence[FieldError]:
    if isinstance(error, http.InvalidRequest):
        return error.errors
    if isinstance(error, core.WarningsRefused):
        return [FieldError(field=field or REQUEST, message=message) for field, message in error.causes]
    return [FieldError(field=error.field, message=str(error))] if error.field else []


def problem_headers(error: TedError) -> Mapping[str, str]:
    """Return the headers that go with this error's problem."""
    return HEADERS[type(error)](error) if type(error) in HEADERS else {}


HEADERS: Mapping[type[TedError], Any] = {
    jobs.ArtifactLost: lambda _: {"Cache-Control": "no-store"},
    http.RangeNotSatisfiable: lambda error: {"Content-Range": f"bytes */{error.size}"},
    http.KeyNotAccepted: lambda _: {"WWW-Authenticate": CHALLENGE},
    http.ScopeMissing: lambda error: {
        "WWW-Authenticate": f'{CHALLENGE}, error="insufficient_scope", scope="{error.scope}"'
    },
    http.TooManyRequests: lambda error: {"Retry-After": str(error.wait_seconds)},
    http.TooManyStreams: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    http.TooManyConnections: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    jobs.TooManyQueued: lambda _: {"Retry-After": str(QUEUE_RETRY_AFTER_SECONDS)},
    http.DatabaseUnavailable: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    InspectionBusy: lambda _: {"Retry-After": str(INSPECTION_RETRY_AFTER_SECONDS)},
    jobs.RecutBusy: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    core.StoreUnavailable: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    jobs.ArtifactsRefused: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    jobs.JobUnreadable: lambda _: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


async def _validation_error_response(request: Request, error: RequestValidationError) -> Response:
    return await _ted_error_response(request, http.InvalidRequest(parameter_errors(error.errors())))


async def _http_error_response(request: Request, error: HTTPException) -> Response:
    """Return what the router itself says: no such path, no such method."""
    phrase = HTTPStatus(error.status_code).phrase
    detail = f"{error.detail}: {request.method} {request.url.path}. /openapi.json lists what there is."
    problem = new_problem(
        request.state.request_id, error.status_code, code=phrase.lower().replace(" ", "_"), detail=detail
    )
    headers = (
        {"Allow": ", ".join(_allowed_methods(request))} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else None
    )
    return ProblemResponse(problem, headers)


def _allowed_methods(request: Request) -> list[str]:
    """Return every method of the path; the router itself names only those of the first route that has it."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    routes = request.app.routes
    return [method for method in METHODS if any(route.matches(scopes[method])[0] is Match.FULL for route in routes)]


async def _database_error_response(request: Request, error: DBAPIError) -> Response:
    if isinstance(error, DataError):  # such as text with NUL, where no check of ours has kept it from PostgreSQL
        return await _ted_error_response(request, http.InvalidRequest([UNSTORABLE_VALUE]))
    if not is_database_unavailable(error):
        raise error
    return await _database_unavailable_response(request, error)


async def _database_unavailable_response(request: Request, error: Exception) -> Response:
    log.warning("database does not answer", error=str(error))
    return await _ted_error_response(request, http.DatabaseUnavailable())


HANDLERS: Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    TedError: _ted_error_response,
    RequestValidationError: _validation_error_response,
    HTTPException: _http_error_response,
    DBAPIError: _database_error_response,
    NoConnectionLeft: _database_unavailable_response,
}
