"""What is wrong with a request, in the words of the command line."""

from collections.abc import Mapping
from typing import Any

from ted_cli.request.options import option_names
from ted_client.errors import TedApiError

OF_COMMANDS = {"folder": "--out"}
"""Fields that no request has."""
COMMANDS = {
    "GET /v1/proxies": "`ted proxies list`",
    "GET /v1/datasets": "`ted datasets list`",
    "POST /v1/jobs/{id}/retry": "`ted retry JOB`",
    "ask its operator to add the folder or bucket to TED_DATASET_ROOTS": (
        "if you run it, allow the folder with `ted roots add FOLDER`, or else ask its operator to"
    ),
}
"""What a service calls by its requests and settings."""


def error_text(error: Exception) -> str:
    """Return what an error says."""
    if not isinstance(error, TedApiError):
        return str(error)
    fields = {fault["field"] for fault in error.errors}
    field = next(iter(fields)) if len(fields) == 1 else None
    several = [] if len(error.errors) == 1 else error.errors
    message = error.errors[0]["message"] if len(error.errors) == 1 else error.detail
    return fault_text({"message": message, "field": field, "errors": several})


def fault_text(error: Mapping[str, Any]) -> str:
    """Return what is wrong, each fault after the option that has it; the option of a single field comes first."""
    names = {**option_names(), **OF_COMMANDS}
    faults = [(fault["field"], fault["message"]) for fault in error.get("errors") or ()]
    if faults:
        return _in_commands("\n".join(f"{names.get(field, field)} {message}" for field, message in faults))
    option = names.get(error.get("field") or "", error.get("field"))
    return _in_commands(f"{option}: {error['message']}" if option else str(error["message"]))


def _in_commands(text: str) -> str:
    for request, command in COMMANDS.items():
        text = text.replace(request, command)
    return text
