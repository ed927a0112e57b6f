"""What ``ted run`` says to this process and hears from it: one JSON document per line."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ted_core.errors import TedError


class LocalRequest(BaseModel):
    """The only line that this process reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: dict[str, Any]
    """A job as the API takes it."""
    folder: Path
    """Where the results go."""
    overwrite: bool = False
    """Whether results that lie there may be replaced."""


LocalStatus = Literal["queued", "running", "interrupted", "succeeded", "failed", "refused"]


class LocalJob(BaseModel):
    """The run as it stands, in the form of the API's jobs."""

    model_config = ConfigDict(validate_assignment=True)

    id: str
    """The folder of the results."""
    status: LocalStatus = "queued"
    status_reason: str | None = None
    dataset: dict[str, Any] = {}
    proxy: dict[str, Any] = {}
    plan: dict[str, Any] = {}
    rows_in: int | None = None
    attempt: int = 0
    progress: dict[str, Any] | None = None
    rounds: list[dict[str, Any]] = []
    """What the rounds reported that this process has seen."""
    warnings: list[dict[str, Any]] = []
    resumed_from: int | None = None
    """The round after which an interrupted run is continued."""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    files: dict[str, str] = {}
    """What lies in the folder once it has succeeded."""


def error_facts(error: TedError) -> dict[str, Any]:
    """Return the error as a job's row has it."""
    return {"code": error.code(), "message": str(error), "field": error.field, "retryable": error.retryable}
