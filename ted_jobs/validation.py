"""What pydantic found wrong → the request's fields, in words for the person who wrote the request."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

MESSAGES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "model_type": "must be a JSON object",
}
LONGEST_ECHO = 60
LONGEST_FIELD = 200
MOST_ERRORS = 20
"""More would help nobody, and a body full of mistakes must not get a response of ten times its size."""


class RequestFault(NamedTuple):
    """One thing that is wrong with a request."""

    field: str
    message: str


def body_faults(errors: Sequence[ErrorDetails], body: object) -> list[RequestFault]:
    """Return the faults of a JSON body, each under its path: ``plan.keep_ratio``, ``dataset.input.0``."""
    return _distinct(
        RequestFault(".".join(_path(error, body))[:LONGEST_FIELD] or "body", _message(error)) for error in errors
    )


def parameter_faults(errors: Sequence[Any]) -> list[RequestFault]:
    """Return the faults of query parameters and headers, each under the parameter's name."""
    return _distinct(RequestFault(str(error["loc"][1])[:LONGEST_FIELD], _message(error)) for error in errors)


def _path(error: ErrorDetails, value: Any) -> Iterator[str]:
    """Yield the steps of a location that lead through the body, without pydantic's own, such as a union's branch."""
    for step in error["loc"]:
        if _has_step(value, step):
            yield str(step)
            value = value[step]
        elif error["type"] == "missing":
            yield str(step)


def _has_step(value: object, step: int | str) -> bool:
    return step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "value_error":  # a check of our own, which names what it refuses
        return str(error["ctx"]["error"])
    return MESSAGES.get(error["type"]) or f"{error['msg']}{_echo(error.get('input'))}"


def _echo(value: object) -> str:
    """Return the refused value, if it is short enough to be worth repeating."""
    if value is not None and not isinstance(value, str | int | float):
        return ""
    text = json.dumps(value)
    return f", not {text}" if len(text) <= LONGEST_ECHO else ""


def _distinct(errors: Iterator[RequestFault]) -> list[RequestFault]:
    return list(dict.fromkeys(islice(errors, MOST_ERRORS)))
