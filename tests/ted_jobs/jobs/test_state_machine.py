"""Any order of anything that clients, workers, crashes and the sweeper do leaves every job as a simple model says."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, update

from ted_jobs.db.engine import now, write_transaction
from ted_jobs.db.tables import jobs
from ted_jobs.errors import IdempotencyConflict, LeaseLost, NotCancellable
from ted_jobs.jobs import maintenance
from ted_jobs.jobs.leases import Claim, HeartbeatResponse, Leases
from ted_jobs.jobs.models import Artifact, JobError
from ted_jobs.jobs.status import LEASED_STATUSES, JobStatus
from ted_jobs.jobs.store import IdempotencyKey, JobStore
from ted_jobs.queue import outbox
from tests.faults.outcome import KINDS, job_histories
from tests.ted_jobs.conftest import SPEC, SUMMARY

MAX_ATTEMPTS = 3
TENANT = "default"
_ = JobStatus
CANCEL = {_.QUEUED: _.CANCELLED, _.RUNNING: _.CANCELLING, _.CANCELLING: _.CANCELLING, _.CANCELLED: _.CANCELLED}
"""What becomes of a job that a client cancels; from any other status it cannot."""


@dataclass
class Model:
    """What one job should be."""

    status: JobStatus = JobStatus.QUEUED
    attempt: int = 0
    token: int = 0
    lapsed: bool = False
    overdue: bool = False

    def grants(self, claim: Claim, *statuses: JobStatus) -> bool:
        """Whether a write under this claim counts, given that it needs one of these statuses."""
        return self.token == claim.token and self.status in (statuses or LEASED_STATUSES)

    def end_attempt(self, *, again: bool) -> None:
        """A worker has failed or fallen silent."""
        if self.status is JobStatus.CANCELLING:
            self.status = JobStatus.CANCELLED
        else:
            self.status = JobStatus.QUEUED if again and self.attempt < MAX_ATTEMPTS else JobStatus.FAILED

    def be_reaped(self) -> None:
        """Its worker fell silent: past its deadline it is not tried again, unless only its publishing was left."""
        if self.overdue and self.status is JobStatus.RUNNING:
            self.status = JobStatus.EXPIRED
        else:
            self.end_attempt(again=True)


class Jobs(RuleBasedStateMachine):
    """Clients, workers and a sweeper on one store."""

    ids, claims = Bundle("ids"), Bundle("claims")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.store, self.leases = JobStore(engine, max_attempts=MAX_ATTEMPTS), Leases(engine)
        self.models: dict[str, Model] = {}
        self.keys: dict[str, str] = {}
        with write_transaction(engine) as connection:
            connection.execute(delete(jobs))

    # --- clients ----------------------------------------------------------------------------------------------------

    @rule(target=ids, key=st.sampled_from("abc"))
    def submit(self, key: str) -> str:
        submission = self.store.submit(SPEC, SUMMARY, tenant=TENANT, idempotency_key=IdempotencyKey(key, "digest"))

        assert submission.replayed == (key in self.keys)
        assert self.keys.setdefault(key, submission.job.id) == submission.job.id
        self.models.setdefault(submission.job.id, Model())
        return submission.job.id

    @rule(key=st.sampled_from("abc"))
    def submit_something_else_under_a_known_key(self, key: str) -> None:
        if key in self.keys:
            with pytest.raises(IdempotencyConflict):
                self.store.submit(SPEC, SUMMARY, tenant=TENANT, idempotency_key=IdempotencyKey(key, "other"))

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        model = self.models[job_id]
        if model.status in CANCEL:
            model.status = CANCEL[model.status]
            assert self.store.cancel(job_id, tenant=TENANT).status is model.status
        else:
            with pytest.raises(NotCancellable):
                self.store.cancel(job_id, tenant=TENANT)

    # --- workers ----------------------------------------------------------------------------------------------------

    @rule(target=claims, job_id=ids)
    def claim(self, job_id: str) -> object:
        claim, model = self.leases.claim(job_id, worker="w"), self.models[job_id]

        assert (claim is not None) == (model.status is JobStatus.QUEUED)
        if claim is None:
            return multiple()
        assert claim.token > model.token
        model.status, model.token, model.attempt = JobStatus.RUNNING, claim.token, model.attempt + 1
        model.lapsed = False
        return claim

    def counts(self, write: Callable[[], object], *, granted: bool) -> bool:
        """Whether the write was let through, as it must be exactly where the model grants it."""
        if not granted:
            with pytest.raises(LeaseLost):
                write()
            return False
        write()
        return True

    @rule(claim=claims)
    def heartbeat(self, claim: Claim) -> None:
        model, orders = self.models[claim.job.id], list[HeartbeatResponse]()
        if self.counts(lambda: orders.append(self.leases.heartbeat(claim)), granted=model.grants(claim)):
            model.lapsed = False
            late = HeartbeatResponse.EXPIRE if model.overdue else HeartbeatResponse.CONTINUE
            assert orders == [HeartbeatResponse.CANCEL if model.status is JobStatus.CANCELLING else late]

    @rule(claim=claims)
    def begin_finalizing(self, claim: Claim) -> None:
        model = self.models[claim.job.id]
        granted = model.grants(claim, JobStatus.RUNNING, JobStatus.FINALIZING)
        if self.counts(lambda: self.leases.begin_finalizing(claim), granted=granted):
            model.lapsed &= model.status is JobStatus.FINALIZING
            model.status = JobStatus.FINALIZING

    @rule(claim=claims)
    def finish(self, claim: Claim) -> None:
        model = self.models[claim.job.id]
        files = [Artifact(kind, f"{claim.job.id}/{claim.token}/{kind}", 1, "0" * 64) for kind in sorted(KINDS)]
        granted = model.grants(claim, JobStatus.FINALIZING, JobStatus.SUCCEEDED)
        if self.counts(lambda: self.leases.finish(claim, published=files, result={}), granted=granted):
            model.status = JobStatus.SUCCEEDED

    @rule(claim=claims, retryable=st.booleans())
    def fail(self, claim: Claim, retryable: bool) -> None:
        model, error = self.models[claim.job.id], JobError("crashed", "so it goes", retryable=retryable)
        if self.counts(lambda: self.leases.fail(claim, error), granted=model.grants(claim)):
            model.end_attempt(again=retryable)

    @rule(claim=claims)
    def hand_back(self, claim: Claim) -> None:
        model = self.models[claim.job.id]
        if self.counts(lambda: self.leases.release(claim), granted=model.grants(claim)):
            stopped = model.status is JobStatus.CANCELLING
            model.attempt -= 0 if stopped else 1
            model.status = JobStatus.CANCELLED if stopped else JobStatus.QUEUED

    @rule(claim=claims)
    def stop_as_asked(self, claim: Claim) -> None:
        model = self.models[claim.job.id]
        if self.counts(lambda: self.leases.mark_cancelled(claim), granted=model.grants(claim, JobStatus.CANCELLING)):
            model.status = JobStatus.CANCELLED

    @rule(claim=claims)
    def expire(self, claim: Claim) -> None:
        model = self.models[claim.job.id]
        if self.counts(lambda: self.leases.mark_expired(claim), granted=model.grants(claim, JobStatus.RUNNING)):
            model.status = JobStatus.EXPIRED

    # --- time and the sweeper ---------------------------------------------------------------------------------------

    @rule(job_id=ids)
    def fall_silent(self, job_id: str) -> None:
        with write_transaction(self.engine) as connection:
            held = (jobs.c.id == job_id) & jobs.c.status.in_(LEASED_STATUSES)
            connection.execute(update(jobs).where(held).values(lease_expires_at=now(-1)))
        self.models[job_id].lapsed = self.models[job_id].status in LEASED_STATUSES

    @rule(job_id=ids)
    def pass_the_deadline(self, job_id: str) -> None:
        with write_transaction(self.engine) as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(deadline_at=now(-1)))
        self.models[job_id].overdue = True

    @rule()
    def sweep(self) -> None:
        reaped = {job.id for job in maintenance.reap_expired_leases(self.engine)}
        silent = {id_ for id_, model in self.models.items() if model.lapsed and model.status in LEASED_STATUSES}
        assert reaped == silent
        for job_id in silent:
            self.models[job_id].be_reaped()

        expired = {job.id for job in maintenance.expire_overdue(self.engine)}
        assert expired == {id_ for id_, model in self.models.items() if model.overdue and model.status == "queued"}
        for job_id in expired:
            self.models[job_id].status = JobStatus.EXPIRED

    @rule(target=claims, claim=claims)
    def crash_and_be_replaced(self, claim: Claim) -> object:
        if not self.models[claim.job.id].grants(claim):
            return multiple()
        self.fall_silent(claim.job.id)
        self.sweep()
        return self.claim(claim.job.id)

    @rule()
    def publish_wake_ups(self) -> None:
        notified: list[str] = []
        outbox.publish_batch(self.engine, notified.append)
        assert set(notified) <= set(self.models)

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def every_job_is_as_its_model(self) -> None:
        histories = job_histories(self.engine)
        assert {
            job_id: (history.row.status, history.row.attempt, history.row.lease_token)
            for job_id, history in histories.items()
        } == {job_id: (model.status, model.attempt, model.token) for job_id, model in self.models.items()}
        for history in histories.values():
            assert not (history.illegal() or history.stale() or history.duplicated())
            assert history.row.attempt <= history.row.max_attempts
            assert bool(history.files) == (history.row.status == JobStatus.SUCCEEDED)


def test_jobs_agree_with_their_model_after_any_sequence_of_steps(engine: Engine) -> None:
    quick = settings(
        max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(lambda: Jobs(engine), settings=quick)
