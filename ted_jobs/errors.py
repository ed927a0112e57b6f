"""What a job store refuses, as facts with a remedy."""

from ted_core.errors import TedError


class JobNotFound(TedError):
    """There is no such job; check the id, and that it belongs to this key."""


class ArtifactNotReady(TedError):
    """The job has nothing to download yet: wait until its status is succeeded."""


class NotCancellable(TedError):
    """The job is already finalizing or has ended; there is nothing left to cancel."""


class IdempotencyConflict(TedError):
    """This Idempotency-Key was used with another request body; send the first body again or choose a new key."""


class UnknownCursor(TedError):
    """The cursor does not point at a job of yours; start again without it."""


class LeaseLost(TedError):
    """Another attempt at this job has begun, or it has ended; what this worker still does is void."""


class RunnerKilled(TedError):
    """The training process was killed from outside; where memory was short, lower proxy.batch_size or give the worker
    more."""

    retryable = True


class RunnerCrashed(TedError):
    """The training process ended without a result, which is a defect of TED or its machine; the worker's log holds the
    trace."""

    retryable = True


class LeaseExpired(TedError):
    """The worker stopped answering; it was killed, cut off or its machine is gone."""

    retryable = True
