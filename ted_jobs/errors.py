"""The errors of jobs, webhooks, keys and names: facts with a remedy."""

from ted_core.errors import StoreRefused, TedError


class JobNotFound(TedError):
    """There is no such job; check the id, and that it belongs to this key."""


class ArtifactNotReady(TedError):
    """The job has nothing to download yet: wait until its status is succeeded."""


class ArtifactLost(TedError):
    """The job's file is gone or damaged; run the job again (POST /v1/jobs/{id}/retry)."""


class RecutBusy(TedError):
    """The service is making as many manifests for other ratios as it can, or as many of yours as it may; try again
    shortly."""

    retryable = True


class NotCancellable(TedError):
    """The job is already finalizing or has ended; there is nothing left to cancel."""


class JobNotEnded(TedError):
    """The job has not ended yet; wait until it has, or cancel it first."""


class IdempotencyConflict(TedError):
    """This Idempotency-Key was used with another request body; send the first body again or choose a new key."""


class UnknownCursor(TedError):
    """The cursor does not point at anything of yours in this list; start again without it."""


class ArtifactsRefused(StoreRefused):
    """The artifact store did not let this service in, or grants it no more space; its operator must give API, sweeper
    and workers credentials that may list, read, write and delete there (TED_ARTIFACT_ROOT)."""

    retryable = True


class JobUnreadable(TedError):
    """Another version of TED stored this job, and this one cannot read what it asks for; ask the operator to run one
    version everywhere."""


class KeyNotFound(TedError):
    """There is no such key; `ted keys list` shows the existing ones."""


class TooManyQueued(TedError):
    """The key has as many jobs waiting as it may; submit again, with the same Idempotency-Key, once some of them have
    started."""


class WebhookNotFound(TedError):
    """There is no such webhook; check the id, and that it belongs to this key."""


class DeliveryNotFound(TedError):
    """This webhook has no such delivery; check the id, or whether it is too old to have been kept."""


class TooManyWebhooks(TedError):
    """No more webhooks are allowed; delete one that is not needed, or let one receiver handle more events."""


class WebhookDisabled(TedError):
    """The webhook is disabled, so nothing is sent to it; first enable it with PATCH and enabled: true."""


class TargetRefused(TedError):
    """A webhook's URL must be https and lead only to public addresses, without a user name or a fragment."""


class LeaseLost(TedError):
    """Another attempt at this job has begun, or it has ended; nothing more that this worker does counts."""


class RunnerKilled(TedError):
    """The training process was killed from outside; if memory was short, lower proxy.batch_size or give the worker
    more."""

    retryable = True


class RunnerCrashed(TedError):
    """The training process ended without a result because of a defect in TED; report it to the operator, whose worker's
    log holds the traceback."""

    retryable = True


class RunnerStalled(TedError):
    """The training process did nothing for too long, neither computing nor reading nor writing, and was ended; a file
    system or device may hang, so ask the operator to check the worker's machine (TED_STALL_SECONDS)."""

    retryable = True


class MachineFailed(TedError):
    """The worker's machine failed the training process; ask the operator to check its devices and file systems."""

    retryable = True


class LeaseExpired(TedError):
    """The worker stopped responding; it was killed or cut off, or its machine is gone."""

    retryable = True


class NotRegistered(TedError):
    """Nothing is registered under this name; GET /v1/datasets and GET /v1/proxies list the registered names."""


class UnknownDataset(TedError):
    """No dataset is registered under this name; use one that GET /v1/datasets lists, or give its uri and task."""


class NameTaken(TedError):
    """The name already stands for something else; choose another name, or DELETE this one first."""


class TooManyNames(TedError):
    """No more names are allowed; DELETE some that are no longer needed."""
