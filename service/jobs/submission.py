"""Submitting a job: a request's body → a stored job, once however often the client repeats itself, or a refusal."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.http.authentication import Principal
from service.http.bodies import parse_json, validate
from service.http.dependencies import AppState
from service.http.errors import InvalidRequest
from service.http.validation import LONGEST_FIELD, MOST_ERRORS
from service.jobs.admission import Admission, admit
from service.jobs.estimate import Estimate, estimate
from service.schemas.problems import FieldError
from ted_core.proxies import FAMILIES
from ted_jobs.errors import JobNotEnded, NotRegistered, UnknownDataset
from ted_jobs.jobs.models import JsonObject
from ted_jobs.jobs.similar_jobs import similar_jobs
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import IdempotencyKey, Submission
from ted_jobs.registry import RegistrationKind

NameLookup = Callable[[RegistrationKind, str], JsonObject | None]
"""What a name stands for, or None."""


@dataclass(frozen=True)
class SubmissionService:
    """Takes the jobs of one client."""

    state: AppState
    caller: Principal
    idempotency_key: str | None = None

    def submit(self, body: bytes) -> Submission:
        """Store the job that the body asks for. Raises the TedError, with its field, of whatever is wrong with it."""
        request = parse_json(body)
        digest = _digest(request)
        # Before names and dataset are looked at: they may be gone when a client repeats itself, its job is not.
        if earlier := self._replay(digest):
            return earlier
        return self._store(self._resolve(request), digest)

    def retry(self, job_id: str) -> Submission:
        """Store a new job that asks for what this one did. Raises JobNotFound, JobNotEnded."""
        digest = hashlib.sha256(f"retry {job_id}".encode()).hexdigest()
        if earlier := self._replay(digest):
            return earlier
        job = self.state.store.job(job_id, tenant=self.caller.tenant)
        if not job.status.is_terminal:
            raise JobNotEnded(f"{job_id} is {job.status}")
        return self._store(job.spec, digest, retry_of=job_id)

    def estimate(self, body: bytes) -> Estimate:
        """Return what the job that the body asks for would take; nothing is stored."""
        admission = self._admit(self._resolve(parse_json(body)))
        earlier = similar_jobs(
            self.state.store.engine,
            admission.spec,
            change_token=admission.dataset.change_token,
            tenant=self.caller.tenant,
        )
        return estimate(admission, earlier)

    def _replay(self, digest: str) -> Submission | None:
        key = self._key(digest)
        return self.state.store.replay(key, tenant=self.caller.tenant) if key else None

    def _resolve(self, request: object) -> JobSpec:
        return resolve_job_spec(request, self._lookup_name)

    def _lookup_name(self, kind: RegistrationKind, name: str) -> JsonObject | None:
        try:
            return self.state.names.lookup(kind, name, tenant=self.caller.tenant).document
        except NotRegistered:
            return None

    def _admit(self, spec: JobSpec) -> Admission:
        settings = self.state.settings
        return admit(spec, roots=settings.dataset_roots, model_roots=settings.model_roots)

    def _store(self, spec: JobSpec, digest: str, *, retry_of: str | None = None) -> Submission:
        admission = self._admit(spec)
        return self.state.store.submit(
            admission.spec,
            admission.dataset,
            tenant=self.caller.tenant,
            key_id=self.caller.key_id,
            idempotency_key=self._key(digest),
            retry_of=retry_of,
        )

    def _key(self, digest: str) -> IdempotencyKey | None:
        return IdempotencyKey(self.idempotency_key, digest) if self.idempotency_key else None


def _digest(request: object) -> str:
    """Return the SHA-256 of the JSON document, whatever its white space and the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def resolve_job_spec(request: object, lookup: NameLookup) -> JobSpec:
    """Return the specification that this is, types taken literally, registered names replaced by what they stand for.

    Raises InvalidRequest, UnknownDataset.
    """
    return validate(JobSpec, _resolve_names(request, lookup))


def _resolve_names(request: object, lookup: NameLookup) -> object:
    if not isinstance(request, dict):
        return request
    resolvers = {"dataset": _resolve_dataset, "proxy": _resolve_proxy}
    named = {field: resolve for field, resolve in resolvers.items() if _is_named(request.get(field))}
    return request | {field: resolve(request[field], lookup) for field, resolve in named.items()}


def _is_named(section: object) -> bool:
    return isinstance(section, dict) and isinstance(section.get("name"), str)


def _resolve_dataset(section: Mapping[str, Any], lookup: NameLookup) -> JsonObject:
    """Return what the name, which must stand alone, stands for. Raises UnknownDataset, InvalidRequest."""
    if others := [field for field in section if field != "name"]:
        raise InvalidRequest([_unexpected_field(field) for field in others[:MOST_ERRORS]])
    document = lookup("dataset", section["name"])
    if document is None:
        raise UnknownDataset(repr(section["name"][:100]), field="dataset.name")
    return document


def _unexpected_field(field: str) -> FieldError:
    return FieldError(field=f"dataset.{field}"[:LONGEST_FIELD], message="is not a field beside dataset.name")


def _resolve_proxy(section: Mapping[str, Any], lookup: NameLookup) -> JsonObject:
    """Return what the name stands for, overridden by the fields beside it.

    A name that nobody registered is an installed proxy's, or wrong.
    """
    document = None if section["name"] in FAMILIES else lookup("proxy", section["name"])
    return {**section} if document is None else document | {key: section[key] for key in section if key != "name"}
