"""What is wrong with a request, in the words of the command line."""

from collections.abc import Mapping
from typing import Any

from ted_cli.request.options import option_names

OF_COMMANDS = {"folder": "--out"}
"""Fields that no request has."""


def fault_text(error: Mapping[str, Any]) -> str:
    """Return what is wrong, each fault after the option that has it; the option of a single field comes first."""
    names = {**option_names(), **OF_COMMANDS}
    faults = [(fault["field"], fault["message"]) for fault in error.get("errors") or ()]
    if faults:
        return "\n".join(f"{names.get(field, field)} {message}" for field, message in faults)
    option = names.get(error.get("field") or "")
    return f"{option}: {error['message']}" if option else str(error["message"])
