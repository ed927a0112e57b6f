"""For Prometheus: the whole installation in numbers, the same from any API process."""

from ipaddress import ip_address

from fastapi import APIRouter, Request, Response

from service.apidoc.responses import METRICS, Responses, documented_response, problem_responses
from service.http.dependencies import Accept, State
from service.http.errors import MetricsNotShown
from service.http.negotiation import preferred_media_type
from ted_jobs.metrics_snapshot import metrics_snapshot

router = APIRouter(tags=["health"])

OK_RESPONSE = documented_response(200, "The metrics, as OpenMetrics if the client prefers that.", Vary="Accept")
RESPONSES: Responses = {200: OK_RESPONSE[200] | METRICS, **problem_responses(403)}


def _is_local(request: Request) -> bool:
    """Return whether the request comes from this machine, and was not passed on by a proxy that runs there."""
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
def metrics(request: Request, state: State, accept: Accept = None) -> Response:
    """Jobs by status, what waits and for how long, and counts that outlive restarts and deleted jobs."""
    if state.settings.metrics == "loopback" and not _is_local(request):
        raise MetricsNotShown
    from service.metrics import RENDERERS, MetricsCollector  # noqa: PLC0415 - loaded with the first request

    media_type, render = RENDERERS[preferred_media_type(accept, list(RENDERERS))]
    body = render(MetricsCollector(metrics_snapshot(state.store.engine)))
    return Response(body, media_type=media_type, headers={"Vary": "Accept", "Cache-Control": "no-store"})
