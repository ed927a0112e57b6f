"""What pydantic found wrong, as the errors of a problem."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from service.schemas.problems import FieldError
from ted_jobs.validation import RequestFault, body_faults, parameter_faults


def body_errors(errors: Sequence[ErrorDetails], body: object) -> list[FieldError]:
    """Return the errors of a JSON body, each under its path: ``plan.keep_ratio``, ``dataset.input.0``."""
    return _as_json(body_faults(errors, body))


def parameter_errors(errors: Sequence[Any]) -> list[FieldError]:
    """Return the errors of query parameters and headers, each under the parameter's name."""
    return _as_json(parameter_faults(errors))


def _as_json(faults: Iterable[RequestFault]) -> list[FieldError]:
    return [FieldError(field=fault.field, message=fault.message) for fault in faults]
