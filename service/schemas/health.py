"""What is said of the service itself over HTTP."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Health(BaseModel):
    """The process is alive."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether jobs can be taken, and whether workers hear of them at once."""

    model_config = ConfigDict(frozen=True)

    status: Annotated[
        Literal["ok", "degraded"],
        Field(description="degraded: jobs are taken and stored, but start only when the broker is back."),
    ]
    reason: str | None = None
