"""Submitting a job: a request's body → a stored job, once however often the client repeats itself, or a refusal."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from service.http.authentication import Principal
from service.http.bodies import parse_json, validate
from service.http.dependencies import AppState
from service.http.errors import InvalidRequest
from service.jobs.estimate import Estimate, estimate
from service.schemas.problems import FieldError
from ted_core.datasets import DatasetSummary
from ted_core.proxies import FAMILIES
from ted_jobs.db.throughputs import recent
from ted_jobs.errors import JobNotEnded, NotRegistered, UnknownDataset
from ted_jobs.jobs.admission import Admission, admit
from ted_jobs.jobs.models import JsonObject
from ted_jobs.jobs.similar_jobs import similar_jobs
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import IdempotencyKey, Submission
from ted_jobs.registry import RegistrationKind
from ted_jobs.validation import LONGEST_FIELD, MOST_ERRORS

NameLookup = Callable[[RegistrationKind, str], JsonObject | None]
"""What a name stands for, or None."""


@dataclass(frozen=True)
class NewSubmission:
    """A job that is not stored yet."""

    spec: JobSpec
    digest: str
    """Of the request, by which its repetitions are recognized."""
    retry_of: str | None = None


@dataclass(frozen=True)
class SubmissionService:
    """Takes the jobs of one client."""

    state: AppState
    caller: Principal
    idempotency_key: str | None = None

    async def submit(self, body: bytes) -> Submission:
        """Store the job that the body asks for. Raises the TedError, with its field, of whatever is wrong with it."""
        return await self._submit(await run_in_threadpool(self._requested, body))

    async def retry(self, job_id: str) -> Submission:
        """Store a new job that asks for what this one did. Raises JobNotFound, JobNotEnded."""
        return await self._submit(await run_in_threadpool(self._repeated, job_id))

    async def estimate(self, body: bytes) -> Estimate:
        """Return what the job that the body asks for would take; nothing is stored."""
        spec = await run_in_threadpool(lambda: self._resolve(parse_json(body)))
        return await run_in_threadpool(self._estimate, spec, await self._inspect(spec))

    def _requested(self, body: bytes) -> Submission | NewSubmission:
        request = parse_json(body)
        digest = _digest(request)
        # Before names and dataset are looked at: they may be gone when a client repeats itself, its job is not.
        return self._replay(digest) or NewSubmission(self._resolve(request), digest)

    def _repeated(self, job_id: str) -> Submission | NewSubmission:
        digest = hashlib.sha256(f"retry {job_id}".encode()).hexdigest()
        if earlier := self._replay(digest):
            return earlier
        job = self.state.store.job(job_id, tenant=self.caller.tenant)
        if not job.status.is_terminal:
            raise JobNotEnded(f"{job_id} is {job.status}")
        return NewSubmission(job.spec, digest, retry_of=job_id)

    async def _submit(self, asked: Submission | NewSubmission) -> Submission:
        """While the dataset is inspected, no thread waits: those that there are serve other clients."""
        if isinstance(asked, Submission):
            return asked
        return await run_in_threadpool(self._store, asked, await self._inspect(asked.spec))

    async def _inspect(self, spec: JobSpec) -> DatasetSummary:
        return await self.state.inspections.inspect(spec.dataset, tenant=self.caller.tenant)

    def _estimate(self, spec: JobSpec, dataset: DatasetSummary) -> Estimate:
        admission = self._admit(spec, dataset)
        engine, training = self.state.store.engine, admission.proxy.training
        earlier = similar_jobs(engine, admission.spec, dataset=dataset, tenant=self.caller.tenant)
        return estimate(admission, earlier, lambda: recent(engine, proxy=training.name, model=training.model))

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

    def _admit(self, spec: JobSpec, dataset: DatasetSummary) -> Admission:
        settings = self.state.settings
        return admit(
            spec,
            dataset,
            model_roots=settings.model_roots,
            ceiling=settings.planned_ceiling,
            batch_ceiling=settings.runner_memory_ceiling,
            memory_bytes=settings.memory_bytes,
        )

    def _store(self, new: NewSubmission, dataset: DatasetSummary) -> Submission:
        admission = self._admit(new.spec, dataset)
        submission = self.state.store.submit(
            admission.spec,
            admission.dataset,
            tenant=self.caller.tenant,
            key_id=self.caller.key_id,
            idempotency_key=self._key(new.digest),
            retry_of=new.retry_of,
            warnings=admission.warnings,
        )
        self.state.wake_ups.publish_soon()
        return submission

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
