"""What became of every promise, read from the tables and files themselves, not through the code under test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, func, select

from ted_core.storage.digests import sha256_of
from ted_jobs.db.engine import read_transaction
from ted_jobs.db.tables import artifacts, events, idempotency, jobs
from ted_jobs.jobs.status import LEASED_STATUSES, LEGAL_MOVES, JobStatus
from tests.faults.driver import Promise
from tests.faults.ears import Ear

KINDS = {"manifest", "decisions", "report"}
Golden = Mapping[str, str]
"""What the result of a run must say: digests of its content or of its rows."""
ENDED = tuple(status for status in JobStatus if status.is_terminal)


@dataclass(frozen=True)
class Story:
    """One job: its row, its events in order, its published files."""

    row: object
    told: Sequence[tuple[int, str, float]]
    """Sequence, type without ``job.``, seconds since the epoch."""
    files: Sequence[object] = field(default_factory=list)

    @property
    def claims(self) -> int:
        """How often a worker has begun."""
        return sum(type_ == JobStatus.RUNNING for _, type_, _ in self.told)

    def illegal(self) -> bool:
        """Whether the events have gaps, an unknown move, or anything after the end."""
        status, moves = None, [type_ for _, type_, _ in self.told]
        for type_ in moves:
            if type_ in list(JobStatus):
                legal = JobStatus(type_) in LEGAL_MOVES[status] if status else type_ == JobStatus.QUEUED
                status = JobStatus(type_)
            else:
                legal = status in LEASED_STATUSES
            if not legal:
                return True
        return status != self.row.status or [n for n, _, _ in self.told] != list(range(1, len(self.told) + 1))

    def stale(self) -> bool:
        """Whether something was written under a token that was no longer, or not yet, the job's."""
        tokens = {file.key.split("/")[1] for file in self.files}
        return self.claims != self.row.lease_token or not tokens <= {str(self.row.lease_token)}

    def wrong(self, golden: Golden, root: Path) -> bool:
        """Whether what was published is damaged, or not what the golden run says of itself."""
        if self.row.status != JobStatus.SUCCEEDED:
            return bool(self.files)
        damaged = any(sha256_of(root / file.key) != file.sha256 for file in self.files)
        return damaged or not golden.items() <= self.row.result.items()

    def duplicated(self) -> bool:
        """Whether it has succeeded, or published a kind of file, more or less than once."""
        succeeded = self.row.status == JobStatus.SUCCEEDED
        kinds = Counter(file.kind for file in self.files)
        return succeeded and kinds != Counter(KINDS)

    def resumed_after(self, moment: float) -> float | None:
        """Seconds from the moment to its next claim; None where it went on undisturbed or had ended before."""
        return next((at - moment for _, type_, at in self.told if type_ == JobStatus.RUNNING and at > moment), None)


@dataclass(frozen=True)
class Verdict:
    """Counts over the promises of one fault; those from ``lost`` to ``untold`` should be zero.

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
    untold: int
    """Ends of jobs that a webhook was not told of, or under several ids."""
    recovered: int
    seconds: float

    @property
    def nothing_lost(self) -> bool:
        """Whether every promise was kept, once."""
        return not (self.lost or self.unexpected or self.duplicated or self.stale or self.illegal or self.overtried
                    or self.wrong or self.untold)  # fmt: skip


def judged(
    engine: Engine,
    promises: Sequence[Promise],
    *,
    golden: Mapping[int, Golden],
    root: Path,
    struck_at: float,
    ear: Ear | None = None,
) -> Verdict:
    """The verdict on these promises; the database holds no others. The ear should have heard how each of them ended."""
    found, keys = stories(engine), _keys(engine)
    mine = {promise.job_id: found[promise.job_id] for promise in promises if promise.job_id in found}
    resumed = [seconds for story in mine.values() if (seconds := story.resumed_after(struck_at)) is not None]
    return Verdict(
        jobs=len(promises),
        ends=Counter(f"{story.row.status}{_reason(story.row)}" for story in mine.values()),
        lost=sum(promise.job_id not in mine or mine[promise.job_id].row.status not in ENDED for promise in promises),
        unexpected=len(set(found) - set(keys.values())),
        duplicated=sum(keys.get(promise.key) != promise.job_id for promise in promises)
        + len(keys) - len(set(keys.values())) + sum(story.duplicated() for story in mine.values()),
        stale=sum(story.stale() for story in mine.values()),
        illegal=sum(story.illegal() for story in mine.values()),
        overtried=sum(story.row.attempt > story.row.max_attempts for story in mine.values()),
        wrong=sum(mine[promise.job_id].wrong(golden[promise.seed], root) for promise in promises
                  if promise.job_id in mine),
        untold=sum(ear.untold(job_id, story.row.status) for job_id, story in mine.items()) if ear else 0,
        recovered=len(resumed),
        seconds=round(min(resumed, default=0.0), 1),
    )  # fmt: skip


def _reason(row) -> str:
    return f" ({row.error['code']})" if row.error else ""


def _keys(engine: Engine) -> dict[str, str]:
    """Idempotency key → job id."""
    with read_transaction(engine) as connection:
        return {row.key: row.job_id for row in connection.execute(select(idempotency))}


def stories(engine: Engine) -> dict[str, Story]:
    """Every job of the database by its id."""
    with read_transaction(engine) as connection:
        found = {row.id: Story(row, [], []) for row in connection.execute(select(jobs))}
        for event in connection.execute(select(events).order_by(events.c.job_id, events.c.sequence)):
            found[event.job_id].told.append(
                (event.sequence, event.type.removeprefix("job."), event.created_at.timestamp())
            )
        for file in connection.execute(select(artifacts)):
            found[file.job_id].files.append(file)
    return found


def unfinished(engine: Engine) -> int:
    """How many jobs have not ended."""
    with read_transaction(engine) as connection:
        return connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.status.not_in(ENDED))) or 0
