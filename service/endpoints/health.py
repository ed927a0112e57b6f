"""Whether the process lives and can do its work."""

import time
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.dependencies import Store
from service.responses import answered, problems
from service.schemas import Health
from ted_jobs.queue import broker_answers
from ted_jobs.settings import Settings

router = APIRouter(tags=["health"])

REMEMBER_SECONDS = 5.0


class BrokerWatch:
    """Whether the broker answers, asked at most every few seconds and by one request at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._answers, self._asked = True, float("-inf")

    def answers(self) -> bool:
        """What is known; whoever comes while another asks gets the last answer."""
        if time.monotonic() - self._asked > REMEMBER_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._answers, self._asked = broker_answers(self._settings), time.monotonic()
            finally:
                self._lock.release()
        return self._answers


def _broker(request: Request) -> BrokerWatch:
    watch: BrokerWatch = request.app.state.broker
    return watch


@router.get(
    "/healthz", operation_id="isAlive", summary="Is the process alive?", response_model=Health, responses=problems()
)
def healthz() -> Response:
    """Yes, whenever it answers."""
    return answered(Health(status="ok"))


@router.get(
    "/readyz", operation_id="isReady", summary="Can it accept jobs?", response_model=Health, responses=problems()
)
def readyz(store: Store, broker: Annotated[BrokerWatch, Depends(_broker)]) -> Response:
    """Needs the database. Without the broker jobs are accepted and wait: "degraded"."""
    store.ping()
    if broker.answers():
        return answered(Health(status="ok"))
    return answered(Health(status="degraded", reason="The broker does not answer; jobs are accepted and wait for it."))
