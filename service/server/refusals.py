"""What the server answers itself, where no request ever reaches the app: problems like the app's own."""

import uuid
from http import HTTPStatus

import h11

from service.http.errors import HeadersTooLarge, MalformedRequest
from service.http.problems import MEDIA_TYPE, STATUS, new_problem, problem_headers
from service.server.strict_connection import TOO_LARGE
from ted_core.errors import TedError


def refusal_events(error: TedError, *, has_body: bool) -> list[h11.Event]:
    """Return the response that describes this error, and says that the connection ends with it."""
    status = STATUS[type(error)]
    problem = new_problem(uuid.uuid4().hex, status, code=error.code(), detail=str(error))
    body = problem.model_dump_json().encode()
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "X-Request-ID": problem.instance.rpartition(":")[2],
        **problem_headers(error),
    }
    response = h11.Response(status_code=status, headers=list(headers.items()), reason=HTTPStatus(status).phrase)
    return [response, *([h11.Data(data=body)] if has_body else []), h11.EndOfMessage()]


def protocol_error(error: h11.RemoteProtocolError | None) -> TedError:
    """Return the problem that this error in what a client has sent is."""
    if error is not None and error.error_status_hint == TOO_LARGE:
        return HeadersTooLarge(str(error))
    return MalformedRequest(str(error) if error else "")
