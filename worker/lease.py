"""The lease of one job as its supervisor holds it: renewed in time, and no step given up while it could still hold."""

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

StepParams = ParamSpec("StepParams")
StepResult = TypeVar("StepResult")


class Lease:
    """One claim, and the patience with a database that is away: as long as nobody else can have taken the job over."""

    def __init__(self, claim: Claim, leases: Leases, *, heartbeat_seconds: float) -> None:
        self.claim, self.leases, self.heartbeat_seconds = claim, leases, heartbeat_seconds
        self._expires_at = time.monotonic() + leases.lease_seconds

    def call(
        self, step: Callable[StepParams, StepResult], *args: StepParams.args, **named: StepParams.kwargs
    ) -> StepResult:
        """What the step returns, once the database has answered. Raises LeaseLost where that takes too long.

        A step whose answer is lost is done again: it has to find out by itself that it was done.
        """
        patience = Retrying(
            retry=retry_if_exception(is_database_unavailable),
            wait=wait_fixed(self.heartbeat_seconds),
            stop=lambda _: time.monotonic() > self._expires_at,
            before_sleep=self._log_retry,
            retry_error_callback=self._give_up,
        )
        return patience(step, *args, **named)

    def renew(self, **news: Any) -> HeartbeatResponse:
        """What ``Leases.heartbeat`` answers to the news. Raises LeaseLost."""
        return self.call(self._renew, **news)

    @contextmanager
    def background_renewal(self) -> Iterator[None]:
        """While the block runs, however long a store takes, the lease is renewed; the next write tells if it held."""
        done = Event()
        renewing = Thread(target=self._renew_until, args=(done,))
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()

    def _renew_until(self, done: Event) -> None:
        while not done.wait(self.heartbeat_seconds):
            with suppress(LeaseLost, DBAPIError):
                self._renew()

    def _renew(self, **news: Any) -> HeartbeatResponse:
        asked = time.monotonic()
        order = self.leases.heartbeat(self.claim, **news)
        self._expires_at = asked + self.leases.lease_seconds
        return order

    def _log_retry(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("database does not answer", job=self.claim.job.id, error=str(getattr(error, "orig", error)))

    def _give_up(self, state: RetryCallState) -> NoReturn:
        raise LeaseLost(self.claim.job.id) from (state.outcome.exception() if state.outcome else None)
