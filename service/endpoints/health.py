"""For those who run the service: whether it lives, and whether it can work."""

from fastapi import APIRouter

from service.apidoc.document import problem_responses
from service.http.request import AppRequest, PublicRoute
from service.schemas.jobs import Health, Readiness

router = APIRouter(tags=["health"], route_class=PublicRoute)


@router.get("/healthz", operation_id="health", summary="Is the process alive?", responses=problem_responses())
async def health() -> Health:
    """Yes, if anything answers at all."""
    return Health()


@router.get("/readyz", operation_id="readiness", summary="Can jobs be taken?", responses=problem_responses())
def readiness(call: AppRequest) -> Readiness:
    """Yes, once the database answers. Without the broker the service is degraded: jobs are stored and start later."""
    call.app_state.store.ping()
    if call.app_state.broker.is_reachable():
        return Readiness(status="ok")
    return Readiness(status="degraded", reason="The broker does not answer; jobs wait until it does.")
