"""The query of a list of jobs → the criteria of the store."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from service.http.errors import InvalidRequest
from service.schemas.problems import FieldError
from ted_jobs.jobs.filter import CURSOR_PATTERN, JobCriteria
from ted_jobs.jobs.spec import MetadataKey
from ted_jobs.jobs.status import JobStatus
from ted_jobs.validation import LONGEST_FIELD, MESSAGES, MOST_ERRORS

RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
INVALID_TIME = "must be a time with its zone as RFC 3339 writes it, such as 2026-01-31T12:00:00Z; in a URL, + is %2B"
LABEL = re.compile(r"metadata\[(?P<key>.*)\]", re.DOTALL)
LABEL_KEY_ADAPTER: TypeAdapter[str] = TypeAdapter(MetadataKey)
MOST_LABELS = 16
LONGEST_VALUE = 512
"""No job has more labels, or longer ones."""


def _in_utc(value: object) -> datetime:
    text = str(value).upper()
    try:
        if RFC_3339.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(INVALID_TIME)


Instant = Annotated[datetime, BeforeValidator(_in_utc)]


class JobListQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(extra="allow")  # labels come as metadata[key]; `to_criteria` refuses all the rest

    after: Annotated[
        str | None,
        Field(
            pattern=f"^{CURSOR_PATTERN.pattern}$",
            description="`next` of the page before; or a job's id, itself excluded.",
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    status: Annotated[
        list[JobStatus], Field(description="Only jobs in one of these; may be repeated.", fail_fast=True)
    ] = []
    created_after: Annotated[
        Instant | None, Field(description="Only jobs submitted later than this time (RFC 3339, with its zone).")
    ] = None
    created_before: Annotated[
        Instant | None, Field(description="Only jobs submitted earlier than this time (RFC 3339, with its zone).")
    ] = None

    def to_criteria(self) -> JobCriteria:
        """Return the criteria for the store. Raises InvalidRequest."""
        return JobCriteria(self.status, _labels(self.model_extra or {}), self.created_after, self.created_before)


def _labels(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the labels among the query's other parameters, which must all be labels."""
    errors = dict(islice(_label_errors(parameters), MOST_ERRORS))
    if len(parameters) > MOST_LABELS and not errors:
        errors = {"metadata": f"must not be more than {MOST_LABELS} labels, which is the most that a job can have"}
    if errors:
        fields = [FieldError(field=name[:LONGEST_FIELD], message=error) for name, error in errors.items()]
        raise InvalidRequest(fields)
    return {name.removeprefix("metadata[")[:-1]: str(value) for name, value in parameters.items()}


def _label_errors(parameters: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, error) for name, value in parameters.items() if (error := _label_error(name, value)))


def _label_error(name: str, value: object) -> str | None:
    """Return what is wrong with this parameter; None if nothing is."""
    label = LABEL.fullmatch(name)
    if label is None:
        return MESSAGES["extra_forbidden"]
    if not _is_key(label["key"]):
        return "must have a key of 1 to 64 letters, digits, '.', ':', '_' or '-' between its brackets"
    if not isinstance(value, str):
        return "must be given once; a label has one value"
    if len(value) > LONGEST_VALUE or "\0" in value:
        return f"must have a value of at most {LONGEST_VALUE} characters, none of them NUL"
    return None


def _is_key(key: str) -> bool:
    try:
        return bool(LABEL_KEY_ADAPTER.validate_python(key))
    except ValidationError:
        return False
