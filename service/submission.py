"""A request's body → a job specification that can be stored, or a refusal before anything is."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from service.errors import InvalidRequest, MalformedJson
from service.validation import body_errors
from ted_core import feasibility
from ted_core.datasets import DatasetSummary, inspect
from ted_core.datasets.source import Root
from ted_core.datasets.spec import TASKS
from ted_core.proxies.models import located
from ted_core.schedule import loop_epochs
from ted_jobs.spec import JobSpec


@dataclass(frozen=True)
class Submitted:
    """What a client asks for, and the digest by which the same request is known again."""

    spec: JobSpec
    digest: str


def parse(body: bytes) -> Submitted:
    """The specification that the body holds, types taken literally. Raises MalformedJson, InvalidRequest."""
    value = _json(body)
    try:
        return Submitted(JobSpec.model_validate(value, strict=True), _digest(value))
    except ValidationError as error:
        raise InvalidRequest(body_errors(error.errors(include_url=False), value)) from error


def _json(body: bytes) -> object:
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedJson(str(error)) from error


def _digest(value: object) -> str:
    """The SHA-256 of the JSON document, whatever its white space and the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def admit(spec: JobSpec, *, roots: Sequence[Root], model_roots: Sequence[Path] = ()) -> tuple[JobSpec, DatasetSummary]:
    """The specification with every default written out, and what its dataset's headers tell.

    Raises the TedError, with its field, of whatever already shows that the job cannot succeed.
    """
    dataset = inspect(spec.dataset, roots=roots)
    training = feasibility.check(
        spec.plan,
        spec.proxy,
        kind=feasibility.KINDS[spec.dataset.base_task],
        rows=dataset.rows,
        one_class=spec.dataset.task in TASKS and not dataset.several_classes,
    )
    located(training, roots=model_roots)
    plan = spec.plan.model_copy(update={"rounds": spec.plan.rounds or loop_epochs(training.epochs)})
    return spec.model_copy(update={"proxy": training, "plan": plan}), dataset
