"""The lease that a supervisor holds on a job: renewed in time, and trusted as long as nobody else can have taken it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, NoReturn, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_fixed

from ted_jobs.db.engine import is_database_unavailable
from ted_jobs.errors import LeaseLost
from ted_jobs.jobs.leases import Claim, HeartbeatResponse, Leases

log = structlog.get_logger()

LONGEST_STORE_SECONDS = 3600.0
"""How long a file may take to be stored or fetched."""

StepParams = ParamSpec("StepParams")
StepResult = TypeVar("StepResult")


class Lease:
    """One claim. While its lease can still hold, steps are retried if the database is unreachable."""

    def __init__(self, claim: Claim, leases: Leases, *, heartbeat_seconds: float) -> None:
        self.claim = claim
        self.leases = leases
        self.heartbeat_seconds = heartbeat_seconds
        self._expires_at = time.monotonic() + leases.lease_seconds

    def call(
        self, step: Callable[StepParams, StepResult], *args: StepParams.args, **kwargs: StepParams.kwargs
    ) -> StepResult:
        """Return what the step returns, once the database has answered. Raises LeaseLost if that takes too long.

        A step whose answer was lost is repeated, so it must recognise that it has already been done.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_database_unavailable),
            wait=wait_fixed(self.heartbeat_seconds),
            stop=lambda _: time.monotonic() > self._expires_at,
            before_sleep=self._log_retry,
            retry_error_callback=self._give_up,
        )
        return retrying(step, *args, **kwargs)

    def renew(self, **updates: Any) -> HeartbeatResponse:
        """Renew the lease and store the updates, as ``Leases.heartbeat`` does. Raises LeaseLost."""
        return self.call(self._renew, **updates)

    @contextmanager
    def background_renewal(self) -> Iterator[None]:
        """Renew the lease while the block runs, however long a store takes. The next write shows whether it held.

        A store that hangs loses it after an hour, so that another worker takes the job.
        """
        done = Event()
        thread = Thread(target=self._renew_until, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _renew_until(self, done: Event) -> None:
        ends_at = time.monotonic() + LONGEST_STORE_SECONDS
        while not done.wait(self.heartbeat_seconds) and time.monotonic() < ends_at:
            with suppress(LeaseLost, DBAPIError):
                self._renew()

    def _renew(self, **updates: Any) -> HeartbeatResponse:
        sent_at = time.monotonic()
        response = self.leases.heartbeat(self.claim, **updates)
        self._expires_at = sent_at + self.leases.lease_seconds
        return response

    def _log_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("database does not answer", job=self.claim.job.id, error=str(getattr(error, "orig", error)))

    def _give_up(self, state: RetryCallState) -> NoReturn:
        raise LeaseLost(self.claim.job.id) from (state.outcome.exception() if state.outcome else None)
