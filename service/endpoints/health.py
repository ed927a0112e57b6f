"""For those who run the service: whether it lives, and whether it can work."""

from fastapi import APIRouter

from service.apidoc.document import problems
from service.http.request import Call, Open
from service.schemas.jobs import Health, Readiness

router = APIRouter(tags=["health"], route_class=Open)


@router.get("/healthz", operation_id="health", summary="Is the process alive?", responses=problems())
async def health() -> Health:
    """Yes, if anything answers at all."""
    return Health()


@router.get("/readyz", operation_id="readiness", summary="Can jobs be taken?", responses=problems())
def readiness(call: Call) -> Readiness:
    """Yes, once the database answers. Without the broker the service is degraded: jobs are stored and start later."""
    call.parts.store.ping()
    if call.parts.broker.answers():
        return Readiness(status="ok")
    return Readiness(status="degraded", reason="The broker does not answer; jobs wait until it does.")
