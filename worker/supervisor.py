"""Runs one claimed job in a child process and records the outcome. It never loads torch."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from ted_core.errors import StorageFull, StoreRefused, StoreUnavailable
from ted_jobs.db import throughputs
from ted_jobs.errors import LeaseLost, RunnerStalled
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.files.checkpoints import CheckpointStore
from ted_jobs.jobs.leases import Claim, HeartbeatResponse, Leases
from ted_jobs.jobs.models import Artifact, Job, JobError
from ted_jobs.settings import Settings
from worker.child.process import RunnerProcess, runner_process
from worker.child.starting import StartRunner, start_cold
from worker.child_failure import exit_error, start_error
from worker.lease import Lease
from worker.messages import (
    Assignment,
    Checkpointed,
    Failed,
    ProgressMessage,
    Resumed,
    RoundDone,
    RunnerMessage,
    Staged,
    Warned,
)
from worker.stall import StallDetector, session_activity
from worker.timing.throughput import job_throughput

log = structlog.get_logger()


class StopReason(Enum):
    """Why a runner is no longer watched."""

    EXITED = "it has ended"
    CANCELLED = "a client wants the job stopped"
    EXPIRED = "the deadline has passed"
    STALLED = "it does nothing any more"
    SHUT_DOWN = "this worker is shutting down"


EVENT_TYPES: Mapping[type[RunnerMessage], str] = {
    RoundDone: "job.round",
    Resumed: "job.resumed",
    Warned: "job.warning",
}
"""The messages that become events, and the events' types."""
HANDED_BACK = "seat_not_taken"
"""The error after which a job is handed back: hosts of this worker are missing, and another worker may be complete."""
STORE_ERRORS = (StorageFull, StoreRefused, StoreUnavailable)
STOP_REASONS = {HeartbeatResponse.CANCEL: StopReason.CANCELLED, HeartbeatResponse.EXPIRE: StopReason.EXPIRED}


class Supervisor:
    """Holds the lease of one job while its runner works."""

    def __init__(
        self,
        claim: Claim,
        *,
        leases: Leases,
        store: ArtifactStore,
        settings: Settings,
        shutting_down: Callable[[], bool] = lambda: False,
        start_runner: StartRunner = start_cold,
    ) -> None:
        self.claim = claim
        self.leases = leases
        self.store = store
        self.settings = settings
        self.shutting_down = shutting_down
        self.start_runner = start_runner
        self.checkpoints = CheckpointStore(leases.engine, store)
        self.folder = settings.work / claim.job.id / str(claim.token)
        self.lease = Lease(claim, leases, heartbeat_seconds=settings.heartbeat_seconds)
        self._outcome: Staged | Failed | None = None
        self._phase = "starting"

    def run(self) -> Job | None:
        """Run the job and return it, or None if the lease was lost, so that nothing of this attempt counts."""
        try:
            job = self._attempt()
            if job.status.is_terminal:
                self._delete_checkpoints()
            return job
        except LeaseLost:
            log.warning("lease lost", job=self.claim.job.id, token=self.claim.token)
            return None
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # another attempt at the job has its folder there
                self.folder.parent.rmdir()

    def _attempt(self) -> Job:
        """The job after this attempt. Raises LeaseLost."""
        try:
            return self._run_process()
        except STORE_ERRORS as error:
            return self._fail(_job_error(Failed.from_error(error)))
        except OSError as error:  # before there was a runner to report it
            return self._fail(_job_error(Failed.from_error(start_error(error))))
        except LeaseLost:
            # A client may have cancelled the job just before the move that was refused.
            return self.lease.call(self.leases.mark_cancelled, self.claim)

    def _fail(self, error: JobError) -> Job:
        return self.lease.call(self.leases.fail, self.claim, error)

    def _run_process(self) -> Job:
        self._make_folder()
        with runner_process(
            self._assignment(),
            log=self.folder / "runner.log",
            start=self.start_runner,
            grace_seconds=self.settings.cancel_grace_seconds,
        ) as child:
            stall = StallDetector(partial(session_activity, child.process.pid), seconds=self.settings.stall_seconds)
            reason = self._watch(child, stall)
            if reason is StopReason.EXITED:
                reason = self._await_exit(child, stall)
        return CONCLUSIONS[reason](self, child)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True)
        except FileNotFoundError:  # an earlier attempt that ends in this moment has removed the job's folder
            self.folder.mkdir(parents=True)

    def _assignment(self) -> Assignment:
        return Assignment(
            job_id=self.claim.job.id,
            spec=self.claim.job.spec,
            warnings=self.claim.job.warnings_at_submission,
            dataset_guard=self.claim.job.dataset_guard,
            dataset_roots=self.settings.allowed_roots,
            model_roots=self.settings.model_roots,
            cache=self.settings.cache,
            cache_bytes=self.settings.cache_bytes,
            checkpoints=self._earlier_checkpoints(),
            checkpoint_seconds=self.settings.checkpoint_seconds,
            folder=self.folder,
            device=self.settings.device,
            devices=self.settings.devices,
            ranks=self.settings.ranks,
            nodes=self.settings.nodes,
            rendezvous=self.settings.rendezvous,
            seat_seconds=self.settings.seat_seconds,
            threads=self.settings.threads,
            memory_bytes=min(self.settings.memory_bytes, self.settings.ceiling),
            memory_ceiling=self.settings.ceiling,
            ceiling_is_default=self.settings.runner_memory_ceiling is None,
            batch_parts=2 ** self.lease.call(self.leases.out_of_memory_count, self.claim),
            max_undecodable=self.settings.max_undecodable,
        )

    def _earlier_checkpoints(self) -> tuple[Path, ...]:
        with self.lease.background_renewal():
            return tuple(self.lease.call(self.checkpoints.fetch_intact, self.claim.job.id, folder=self.folder))

    # --- while it runs ----------------------------------------------------------------------------------------------

    def _watch(self, child: RunnerProcess, stall: StallDetector) -> StopReason:
        """Renew the lease until the runner has ended or has to stop, and return why. Raises LeaseLost."""
        unreported: list[RunnerMessage] = []
        heartbeat_due = time.monotonic()
        while not child.output_ended:
            unreported += child.read_messages(seconds=max(0, heartbeat_due - time.monotonic()))
            if child.output_ended or time.monotonic() >= heartbeat_due:
                response = self._heartbeat(unreported)
                if response in STOP_REASONS:
                    return STOP_REASONS[response]
                if stall.is_stalled(has_reported=bool(unreported)):
                    return StopReason.STALLED
                unreported = []
                heartbeat_due = time.monotonic() + self.settings.heartbeat_seconds
            if self.shutting_down() and not child.output_ended:
                return StopReason.SHUT_DOWN
        return StopReason.EXITED

    def _await_exit(self, child: RunnerProcess, stall: StallDetector) -> StopReason:
        """Renew the lease until a runner that has fallen silent is gone, which on a busy machine takes seconds.

        One that has reported its outcome but does not get to its end has ended all the same.
        """
        while child.process.poll() is None:
            self._heartbeat(())
            if stall.is_stalled(has_reported=False):
                return StopReason.EXITED if self._outcome else StopReason.STALLED
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(self.settings.heartbeat_seconds)
        return StopReason.EXITED

    def _heartbeat(self, messages: Sequence[RunnerMessage]) -> HeartbeatResponse:
        """Store what the messages report. If the database is unreachable, wait for it as long as the lease lasts."""
        self._outcome = next((message for message in messages if isinstance(message, Staged | Failed)), self._outcome)
        typed_data = [(type(message), message.model_dump(exclude={"kind"})) for message in messages]
        progress = next((data for kind, data in reversed(typed_data) if kind is ProgressMessage), None)
        self._phase = progress["phase"] if progress else self._phase
        new_events = [(EVENT_TYPES[kind], data) for kind, data in typed_data if kind in EVENT_TYPES]
        response = self.lease.renew(progress=progress, new_events=new_events)
        self._store_checkpoint([message.path for message in messages if isinstance(message, Checkpointed)])
        return response

    def _store_checkpoint(self, written: Sequence[Path]) -> None:
        """Store the newest checkpoint for the next attempt. If that fails, the job goes on without it."""
        for path in written[-1:]:
            try:
                with self.lease.background_renewal():
                    self.lease.call(self.checkpoints.add, self.claim, path)
            except STORE_ERRORS as error:
                log.warning("checkpoint not kept", job=self.claim.job.id, error=str(error))
        for path in written:
            path.unlink(missing_ok=True)

    # --- when it has ended ------------------------------------------------------------------------------------------

    def conclude(self, child: RunnerProcess) -> Job:
        """Return the job after its runner has ended by itself: published, queued again, or failed."""
        if isinstance(self._outcome, Staged):
            return self._publish(self._outcome)
        if self._outcome and self._outcome.code == HANDED_BACK:
            return self.lease.call(self.leases.release, self.claim, reason=self._outcome.message)
        return self._fail_attempt(child, self._outcome or Failed.from_error(exit_error(child, phase=self._phase)))

    def conclude_stalled(self, child: RunnerProcess) -> Job:
        """Return the job after its runner was ended because it did nothing any more: queued again, or failed."""
        fact = f"It did nothing for {self.settings.stall_seconds:g} s while {self._phase}"
        return self._fail_attempt(child, Failed.from_error(RunnerStalled(fact)))

    def _fail_attempt(self, child: RunnerProcess, failed: Failed) -> Job:
        error = _job_error(failed)
        facts = {"job": self.claim.job.id, "attempt": self.claim.job.attempt, "code": error.code}
        log.warning("attempt failed", **facts, runner_log=child.log_tail())
        return self._fail(error)

    def _delete_checkpoints(self) -> None:
        """Delete the checkpoints of a job that has ended. If the database or the store is away, the sweeper does it."""
        with suppress(DBAPIError, *STORE_ERRORS):
            self.checkpoints.delete_for_job(self.claim.job.id)

    def _publish(self, staged: Staged) -> Job:
        self.lease.call(self.leases.begin_finalizing, self.claim)
        kinds = ("manifest", "decisions", "suspects", "report")
        files: dict[str, Path] = {kind: getattr(staged, kind) for kind in kinds}
        with self.lease.background_renewal():
            published = [self._put(kind, path) for kind, path in files.items()]
        digests = {f"{file.kind}_sha256": file.sha256 for file in published}
        result = staged.result | digests
        job = self.lease.call(self.leases.finish, self.claim, published=published, result=result)
        self._record_speed(staged)
        return job

    def _record_speed(self, staged: Staged) -> None:
        """Remember how fast the job was, for the estimates of others. They do without if the database is away."""
        if staged.speed:
            with suppress(DBAPIError):
                throughputs.record(self.leases.engine, job_throughput(staged.speed, self.claim.job.spec, self.settings))

    def _put(self, kind: str, path: Path) -> Artifact:
        return self.store.put_attempt_file(path, job_id=self.claim.job.id, token=self.claim.token, kind=kind)


CONCLUSIONS: dict[StopReason, Callable[[Supervisor, RunnerProcess], Job]] = {
    StopReason.EXITED: Supervisor.conclude,
    StopReason.CANCELLED: lambda supervisor, _: supervisor.lease.call(
        supervisor.leases.mark_cancelled, supervisor.claim
    ),
    StopReason.EXPIRED: lambda supervisor, _: supervisor.lease.call(supervisor.leases.mark_expired, supervisor.claim),
    StopReason.STALLED: Supervisor.conclude_stalled,
    StopReason.SHUT_DOWN: lambda supervisor, _: supervisor.lease.call(supervisor.leases.release, supervisor.claim),
}


def _job_error(failed: Failed) -> JobError:
    return JobError(failed.code, failed.message, retryable=failed.retryable, field=failed.field)
