"""Where a client hands in jobs, and does so once however often it repeats itself."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from service.http.authentication import Principal
from service.http.request import AppState, AuthenticatedRequest
from service.jobs.estimate import Estimate, estimate
from service.jobs.submission import Admission, SubmissionBody, admit, name_lookup, parse_submission, resolve_job_spec
from ted_jobs.errors import JobNotEnded
from ted_jobs.jobs.similar_jobs import similar_jobs
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import IdempotencyKey, Submission

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x20-\x7e]+$",
        max_length=255,
        description="The client's own name for this submission: sending it again with the same body stores nothing new "
        "and answers with the job of the first time.",
    ),
]


@dataclass(frozen=True)
class SubmissionService:
    """Where one client hands in jobs."""

    caller: Principal
    app_state: AppState
    idempotency_key: str | None

    def submit(self, body: bytes) -> Submission:
        """The job that the body asks for."""
        asked = parse_submission(body)
        # The dataset may be gone when a client repeats itself; its job is not.
        if known := self._replayed(asked.digest):
            return known
        return self._store(self._resolve(asked), asked.digest)

    def estimate(self, body: bytes) -> Estimate:
        """What the job that the body asks for would take; nothing is stored."""
        admitted = self._admit(self._resolve(parse_submission(body)))
        earlier = similar_jobs(
            self.app_state.store.engine,
            admitted.spec,
            change_token=admitted.dataset.change_token,
            tenant=self.caller.tenant,
        )
        return estimate(admitted, earlier)

    def _resolve(self, asked: SubmissionBody) -> JobSpec:
        return resolve_job_spec(asked.value, name_lookup(self.app_state.names, self.caller.tenant))

    def _admit(self, asked: JobSpec) -> Admission:
        return admit(
            asked, roots=self.app_state.settings.dataset_roots, model_roots=self.app_state.settings.model_roots
        )

    def retry(self, job_id: str) -> Submission:
        """A new job that asks for what this one did. Raises JobNotFound, JobNotEnded."""
        digest = hashlib.sha256(f"retry {job_id}".encode()).hexdigest()
        if known := self._replayed(digest):
            return known
        job = self.app_state.store.job(job_id, tenant=self.caller.tenant)
        if not job.status.is_terminal:
            raise JobNotEnded(f"{job_id} is {job.status}")
        return self._store(job.spec, digest, retry_of=job_id)

    def _replayed(self, digest: str) -> Submission | None:
        repeat = self._idempotency_record(digest)
        return self.app_state.store.replay(repeat, tenant=self.caller.tenant) if repeat else None

    def _store(self, asked: JobSpec, digest: str, *, retry_of: str | None = None) -> Submission:
        admitted = self._admit(asked)
        return self.app_state.store.submit(
            admitted.spec,
            admitted.dataset,
            tenant=self.caller.tenant,
            key_id=self.caller.key_id,
            idempotency_key=self._idempotency_record(digest),
            retry_of=retry_of,
        )

    def _idempotency_record(self, digest: str) -> IdempotencyKey | None:
        return IdempotencyKey(self.idempotency_key, digest) if self.idempotency_key else None


async def _submission_service(visit: AuthenticatedRequest, key: IdempotencyKeyHeader = None) -> SubmissionService:
    return SubmissionService(visit.caller, visit.app_state, key)


Submissions = Annotated[SubmissionService, Depends(_submission_service)]
