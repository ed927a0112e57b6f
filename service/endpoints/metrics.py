"""For Prometheus: the whole installation in numbers, the same from any API process."""

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response

from service.dependencies import Config, Store
from service.documentation import METRICS, answers, problems
from service.errors import MetricsNotShown
from service.metrics import FORMS, Exhibit
from service.negotiation import preferred
from ted_jobs.census import census

router = APIRouter(tags=["health"])

ANSWERED = answers(200, "The metrics, as OpenMetrics where the client would rather have that.", Vary="Accept")
DOCUMENTED: dict[int | str, dict[str, Any]] = {200: ANSWERED[200] | METRICS, **problems(403)}


async def _permitted(request: Request, config: Config) -> None:
    """Raise MetricsNotShown to who may not read them."""
    if config.metrics == "loopback" and not _is_local(request):
        raise MetricsNotShown


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine, and was not passed on by a proxy that runs there."""
    if request.client is None or {"forwarded", "x-forwarded-for", "via"} & set(request.headers):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Read the metrics",
    response_class=Response,
    responses=DOCUMENTED,
    dependencies=[Depends(_permitted)],
)
def metrics(store: Store, accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Response:
    """Jobs by status, what waits and for how long, and counts that outlive restarts and deleted jobs."""
    media_type, written = FORMS[preferred(accept, list(FORMS))]
    body = written(Exhibit(census(store.engine)))
    return Response(body, media_type=media_type, headers={"Vary": "Accept", "Cache-Control": "no-store"})
