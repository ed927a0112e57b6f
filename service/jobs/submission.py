"""A request's body → a job specification that can be stored, or a refusal before anything is."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.http.bodies import parse_json, validate
from service.http.errors import InvalidRequest
from service.http.validation import LONGEST_FIELD, MOST_ERRORS
from service.schemas.jobs import FieldError
from ted_core.datasets import DatasetSummary, inspect
from ted_core.datasets.spec import TASKS
from ted_core.proxies import FAMILIES, ResolvedProxy, resolve_proxy
from ted_core.selection import feasibility
from ted_core.selection.schedule import loop_epochs
from ted_core.storage.file_store import StorageRoot
from ted_jobs.errors import NotRegistered, UnknownDataset
from ted_jobs.jobs.models import JsonObject
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.registry import RegistrationKind, RegistrationStore

NameLookup = Callable[[RegistrationKind, str], JsonObject | None]
"""What a name stands for, or None."""


@dataclass(frozen=True)
class SubmissionBody:
    """What a client asks for, and the digest by which the same request is known again."""

    value: object
    digest: str


def parse_submission(body: bytes) -> SubmissionBody:
    """What the body holds, before anybody has looked at it. Raises MalformedJson."""
    value = parse_json(body)
    return SubmissionBody(value, _digest(value))


def resolve_job_spec(value: object, known: NameLookup) -> JobSpec:
    """The specification that this is, types taken literally, registered names replaced by what they stand for.

    Raises InvalidRequest, UnknownDataset.
    """
    return validate(JobSpec, _resolve_names(value, known))


def _resolve_names(value: object, known: NameLookup) -> object:
    if not isinstance(value, dict):
        return value
    sections = {"dataset": _resolve_dataset, "proxy": _resolve_proxy}
    changes = {name: spell(value[name], known) for name, spell in sections.items() if _is_named(value.get(name))}
    return value | changes


def _is_named(section: object) -> bool:
    return isinstance(section, dict) and isinstance(section.get("name"), str)


def _resolve_dataset(section: Mapping[str, Any], known: NameLookup) -> JsonObject:
    """What the name, which must stand alone, stands for. Raises UnknownDataset, InvalidRequest."""
    if beside := [field for field in section if field != "name"]:
        raise InvalidRequest([_unexpected_field(field) for field in beside[:MOST_ERRORS]])
    document = known("dataset", section["name"])
    if document is None:
        raise UnknownDataset(repr(section["name"][:100]), field="dataset.name")
    return document


def _unexpected_field(field: str) -> FieldError:
    return FieldError(field=f"dataset.{field}"[:LONGEST_FIELD], message="is not a field beside dataset.name")


def _resolve_proxy(section: Mapping[str, Any], known: NameLookup) -> JsonObject:
    """The same; fields beside the name override. A name that nobody registered is an installed proxy's, or wrong."""
    document = None if section["name"] in FAMILIES else known("proxy", section["name"])
    return {**section} if document is None else document | {key: section[key] for key in section if key != "name"}


def _digest(value: object) -> str:
    """The SHA-256 of the JSON document, whatever its white space and the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Admission:
    """A job that may be stored."""

    spec: JobSpec
    proxy: ResolvedProxy
    dataset: DatasetSummary


def admit(spec: JobSpec, *, roots: Sequence[StorageRoot], model_roots: Sequence[Path] = ()) -> Admission:
    """The specification with every default written out, its proxy, and what its dataset's headers tell.

    Raises the TedError, with its field, of whatever already shows that the job cannot succeed.
    """
    dataset = inspect(spec.dataset, roots=roots)
    proxy = resolve_proxy(spec.proxy, model_roots=model_roots)
    feasibility.check_feasibility(
        spec.plan,
        proxy,
        kind=feasibility.KINDS[spec.dataset.base_task],
        rows=dataset.rows,
        one_class=spec.dataset.task in TASKS and not dataset.several_classes,
    )
    plan = spec.plan.model_copy(update={"rounds": spec.plan.rounds or loop_epochs(proxy.training.epochs)})
    return Admission(spec.model_copy(update={"proxy": proxy.training, "plan": plan}), proxy, dataset)


def name_lookup(names: RegistrationStore, tenant: str) -> NameLookup:
    """The names of one tenant."""

    def known(kind: RegistrationKind, name: str) -> JsonObject | None:
        try:
            return names.lookup(kind, name, tenant=tenant).document
        except NotRegistered:
            return None

    return known
