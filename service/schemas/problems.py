"""Errors as they travel over HTTP (RFC 9457)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.schemas import examples


class FieldError(BaseModel):
    """One field of the request that was not as it must be."""

    model_config = ConfigDict(frozen=True)

    field: Annotated[str, Field(examples=["plan.keep_ratio"])]
    message: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it. `code` is stable; `errors` names the request's fields."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [examples.PROBLEM]})

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    instance: Annotated[str, Field(description="This one occurrence: the request's id, as found in the service's log.")]
