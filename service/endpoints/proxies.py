"""Which proxies a job may name."""

from fastapi import APIRouter, Response

from service.responses import answered, problems
from service.schemas import ProxyPage

router = APIRouter(prefix="/v1/proxies", tags=["proxies"])


@router.get("", operation_id="listProxies", summary="List proxies", response_model=ProxyPage, responses=problems())
def list_proxies() -> Response:
    """Every installed proxy, what it takes and how it is trained by default."""
    return answered(ProxyPage.installed())
