"""The life of a job: its statuses and which moves between them are legal."""

from enum import StrEnum


class JobStatus(StrEnum):
    """The status of a job."""

    QUEUED = "queued"
    """Accepted and stored; waits for a worker."""
    RUNNING = "running"
    """A worker holds the lease and trains."""
    FINALIZING = "finalizing"
    """The manifest is being published; past the point of no return."""
    SUCCEEDED = "succeeded"
    """The manifest can be downloaded."""
    FAILED = "failed"
    """Ended without a manifest; the error says why."""
    CANCELLING = "cancelling"
    """Asked to stop; its worker is ending it."""
    CANCELLED = "cancelled"
    """Stopped because a client asked for it."""
    EXPIRED = "expired"
    """Its deadline passed before it could finish."""

    @property
    def is_terminal(self) -> bool:
        """Return whether the job has ended: no move leads out of this status."""
        return not LEGAL_MOVES[self]


_ = JobStatus
LEGAL_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    _.QUEUED: frozenset({_.RUNNING, _.CANCELLED, _.EXPIRED, _.FAILED}),
    _.RUNNING: frozenset({_.QUEUED, _.FINALIZING, _.CANCELLING, _.FAILED, _.EXPIRED}),
    _.FINALIZING: frozenset({_.QUEUED, _.SUCCEEDED, _.FAILED}),
    _.CANCELLING: frozenset({_.CANCELLED}),
    _.SUCCEEDED: frozenset(),
    _.FAILED: frozenset(),
    _.CANCELLED: frozenset(),
    _.EXPIRED: frozenset(),
}
"""The statuses that a job may move to from each. ``running → queued`` is a lost lease, or a failed attempt that will be
repeated."""

LEASED_STATUSES = frozenset({_.RUNNING, _.FINALIZING, _.CANCELLING})
"""The statuses in which a worker holds a lease."""

TERMINAL_STATUSES = frozenset(status for status, targets in LEGAL_MOVES.items() if not targets)


def predecessors(target: JobStatus) -> frozenset[JobStatus]:
    """Return the statuses from which a job may move to ``target``."""
    return frozenset(status for status, targets in LEGAL_MOVES.items() if target in targets)
