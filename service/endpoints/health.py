"""For those who run the service: whether it lives, and whether it can work."""

from fastapi import APIRouter

from service.http.dependencies import State
from service.schemas.health import Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="health", summary="Is the process alive?")
async def health() -> Health:
    """Yes, if anything answers at all."""
    return Health()


@router.get("/readyz", operation_id="readiness", summary="Can jobs be taken?")
def readiness(state: State) -> Readiness:
    """Yes, once the database answers. Without the broker the service is degraded: jobs are stored and start later."""
    state.store.ping()
    if state.broker.is_reachable():
        return Readiness(status="ok")
    return Readiness(status="degraded", reason="The broker does not answer; jobs wait until it does.")
