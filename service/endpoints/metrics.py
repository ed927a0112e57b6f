"""For Prometheus: the whole installation in numbers, the same from any API process."""

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from service.apidoc.document import METRICS, answers, problems
from service.http.errors import MetricsNotShown
from service.http.negotiation import preferred
from service.http.request import Call, Open
from service.metrics import FORMS, Exhibit
from ted_jobs.metrics.snapshot import census

router = APIRouter(tags=["health"], route_class=Open)

ANSWERED = answers(200, "The metrics, as OpenMetrics where the client would rather have that.", Vary="Accept")
DOCUMENTED: dict[int | str, dict[str, Any]] = {200: ANSWERED[200] | METRICS, **problems(403)}


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
)
def metrics(call: Call, accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Response:
    """Jobs by status, what waits and for how long, and counts that outlive restarts and deleted jobs."""
    if call.parts.settings.metrics == "loopback" and not _is_local(call):
        raise MetricsNotShown
    media_type, written = FORMS[preferred(accept, list(FORMS))]
    body = written(Exhibit(census(call.parts.store.engine)))
    return Response(body, media_type=media_type, headers={"Vary": "Accept", "Cache-Control": "no-store"})
