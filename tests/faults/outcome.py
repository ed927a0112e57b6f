"""What became of every promise, read from the tables and files themselves, not through the code under test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, func, select

from ted_core.storage.file_digest import sha256_of
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import artifacts, events, idempotency, jobs
from ted_jobs.jobs.status import LEASED_STATUSES, LEGAL_MOVES, JobStatus
from tests.faults.driver import Promise
from tests.faults.webhook_listener import WebhookListener

KINDS = {"manifest", "decisions", "suspects", "report"}
Golden = Mapping[str, str]
"""What the result of a run must say: digests of its content or of its rows."""
ENDED = tuple(status for status in JobStatus if status.is_terminal)


@dataclass(frozen=True)
class JobHistory:
    """One job: its row, its events in order, its published files."""

    row: object
    events: Sequence[tuple[int, str, float]]
    """Sequence, type without ``job.``, seconds since the epoch."""
    files: Sequence[object] = field(default_factory=list)

    @property
    def claims(self) -> int:
        """How many times a worker has claimed it."""
        return sum(type_ == JobStatus.RUNNING for _, type_, _ in self.events)

    def illegal(self) -> bool:
        """Say whether the events have gaps, an unknown move, or anything after the end."""
        status, moves = None, [type_ for _, type_, _ in self.events]
        for type_ in moves:
            if type_ in list(JobStatus):
                legal = JobStatus(type_) in LEGAL_MOVES[status] if status else type_ == JobStatus.QUEUED
                status = JobStatus(type_)
            else:
                legal = status in LEASED_STATUSES
            if not legal:
                return True
        numbers = [number for number, _, _ in self.events]
        return status != self.row.status or numbers != list(range(1, len(numbers) + 1))

    def stale(self) -> bool:
        """Say whether something was written under a token that was no longer, or not yet, the job's."""
        tokens = {file.key.split("/")[1] for file in self.files}
        return self.claims != self.row.lease_token or not tokens <= {str(self.row.lease_token)}

    def wrong(self, golden: Golden, root: Path) -> bool:
        """Say whether what was published is damaged, or differs from the golden run."""
        if self.row.status != JobStatus.SUCCEEDED:
            return bool(self.files)
        damaged = any(sha256_of(root / file.key) != file.sha256 for file in self.files)
        return damaged or not golden.items() <= self.row.result.items()

    def duplicated(self) -> bool:
        """Say whether it has succeeded, or published a kind of file, more or less than once."""
        succeeded = self.row.status == JobStatus.SUCCEEDED
        kinds = Counter(file.kind for file in self.files)
        return succeeded and kinds != Counter(KINDS)

    def resumed_after(self, moment: float) -> float | None:
        """Return the seconds from the moment to its next claim; None if it continued or had ended before.

        A claim that seems later than the last event was before it: the clock has been set back in between.
        """
        claims = (at for _, type_, at in self.events if type_ == JobStatus.RUNNING and at <= self.events[-1][2])
        return next((at - moment for at in claims if at > moment), None)


@dataclass(frozen=True)
class Outcome:
    """Counts over the promises of one fault; those from ``lost`` to ``missed`` should be zero.

    ``recovered`` jobs were claimed (again) after the fault, the first of them after so many ``seconds``.
    """

    jobs: int
    ends: Mapping[str, int]
    lost: int
    unexpected: int
    duplicated: int
    stale: int
    illegal: int
    overtried: int
    wrong: int
    missed: int
    """Ends of jobs that a webhook was not notified of, or under several ids."""
    recovered: int
    seconds: float

    @property
    def nothing_lost(self) -> bool:
        """Whether every promise was kept, once."""
        return not (self.lost or self.unexpected or self.duplicated or self.stale or self.illegal or self.overtried
                    or self.wrong or self.missed)  # fmt: skip


def assess(
    engine: Engine,
    promises: Sequence[Promise],
    *,
    golden: Mapping[int, Golden],
    root: Path,
    fault_at: float,
    listener: WebhookListener | None = None,
) -> Outcome:
    """Assess these promises, the only ones of the database; the listener should have received the end of each."""
    histories, keys = job_histories(engine), _keys(engine)
    promised = {promise.job_id: histories[promise.job_id] for promise in promises if promise.job_id in histories}
    resumed = [seconds for history in promised.values() if (seconds := history.resumed_after(fault_at)) is not None]
    return Outcome(
        jobs=len(promises),
        ends=Counter(f"{history.row.status}{_reason(history.row)}" for history in promised.values()),
        lost=sum(promise.job_id not in promised for promise in promises)
        + sum(promised[promise.job_id].row.status not in ENDED for promise in promises if promise.job_id in promised),
        unexpected=len(set(histories) - set(keys.values())),
        duplicated=sum(keys.get(promise.key) != promise.job_id for promise in promises)
        + len(keys) - len(set(keys.values())) + sum(history.duplicated() for history in promised.values()),
        stale=sum(history.stale() for history in promised.values()),
        illegal=sum(history.illegal() for history in promised.values()),
        overtried=sum(history.row.attempt > history.row.max_attempts for history in promised.values()),
        wrong=sum(promised[promise.job_id].wrong(golden[promise.seed], root) for promise in promises
                  if promise.job_id in promised),
        missed=sum(listener.missed(job_id, history.row.status) for job_id, history in promised.items())
        if listener else 0,
        recovered=len(resumed),
        seconds=round(min(resumed, default=0.0), 1),
    )  # fmt: skip


def _reason(row) -> str:
    return f" ({row.error['code']})" if row.error else ""


def _keys(engine: Engine) -> dict[str, str]:
    """Idempotency key → job id."""
    with read_transaction(engine) as connection:
        return {row.key: row.job_id for row in connection.execute(select(idempotency))}


def job_histories(engine: Engine) -> dict[str, JobHistory]:
    """Return every job of the database by its id."""
    with read_transaction(engine) as connection:
        histories = {row.id: JobHistory(row, [], []) for row in connection.execute(select(jobs))}
        of_them = select(events).where(events.c.job_id.in_(histories))  # not of those submitted in between
        for event in connection.execute(of_them.order_by(events.c.job_id, events.c.sequence)):
            histories[event.job_id].events.append(
                (event.sequence, event.type.removeprefix("job."), event.created_at.timestamp())
            )
        for file in connection.execute(select(artifacts).where(artifacts.c.job_id.in_(histories))):
            histories[file.job_id].files.append(file)
    return histories


def unfinished(engine: Engine) -> int:
    """Return how many jobs have not ended."""
    with read_transaction(engine) as connection:
        return connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.status.not_in(ENDED))) or 0
