"""Bodies as JSON: a request's → the value it must be; a value → an answer's."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.responses import Response

from service.http.errors import InvalidRequest, MalformedJson
from service.http.validation import body_errors
from service.schemas.problems import FieldError

JSON = "application/json"
MOST_MEMBERS = 100
"""Members of one JSON object, more than any request has: reporting each as unknown would take long."""
Model = TypeVar("Model", bound=BaseModel)


def parse_json(body: bytes) -> object:
    """Return what the JSON says. Raises MalformedJson, InvalidRequest."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJson(str(error)) from error
    return _integral_floats_as_ints(value)


def _integral_floats_as_ints(value: Any) -> Any:
    """Return the value with 3.0 as 3: to JSON Schema, and so to the document of this API, both are integers.

    Raises InvalidRequest if an object in it has more than ``MOST_MEMBERS``.
    """
    if isinstance(value, dict):
        _check_members(value)
        return {name: _integral_floats_as_ints(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_integral_floats_as_ints(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_members(value: Mapping[str, Any]) -> None:
    if len(value) > MOST_MEMBERS:
        message = f"must not hold an object of more than {MOST_MEMBERS} members"
        raise InvalidRequest([FieldError(field="body", message=message)])


def parse_body(model: type[Model], body: bytes) -> Model:
    """Return the model that the body holds, types taken literally. Raises MalformedJson, InvalidRequest."""
    return validate(model, parse_json(body))


def validate(model: type[Model], value: object) -> Model:
    """Return the model that this JSON value is, types taken literally. Raises InvalidRequest."""
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        raise InvalidRequest(body_errors(error.errors(include_url=False), value)) from error


def json_response(content: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return the content as a response, for endpoints that may answer with something else as well."""
    return Response(content.model_dump_json(), status_code=status, headers=headers, media_type=JSON)
