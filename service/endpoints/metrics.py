"""For Prometheus: the whole installation in numbers, the same from any API process."""

from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from service.apidoc.document import METRICS, documented_response, problem_responses
from service.http.errors import MetricsNotShown
from service.http.negotiation import preferred
from service.http.request import AppRequest, PublicRoute
from service.metrics import RENDERERS, MetricsCollector
from ted_jobs.metrics_snapshot import metrics_snapshot

router = APIRouter(tags=["health"], route_class=PublicRoute)

OK_RESPONSE = documented_response(
    200, "The metrics, as OpenMetrics where the client would rather have that.", Vary="Accept"
)
RESPONSES: dict[int | str, dict[str, Any]] = {200: OK_RESPONSE[200] | METRICS, **problem_responses(403)}


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
    responses=RESPONSES,
)
def metrics(call: AppRequest, accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Response:
    """Jobs by status, what waits and for how long, and counts that outlive restarts and deleted jobs."""
    if call.app_state.settings.metrics == "loopback" and not _is_local(call):
        raise MetricsNotShown
    media_type, written = RENDERERS[preferred(accept, list(RENDERERS))]
    body = written(MetricsCollector(metrics_snapshot(call.app_state.store.engine)))
    return Response(body, media_type=media_type, headers={"Vary": "Accept", "Cache-Control": "no-store"})
