"""The proxies that a job may name."""

from fastapi import APIRouter

from service.documentation import problems
from service.schemas import Proxy, ProxyList
from ted_core.plugins import installed
from ted_core.proxies.spec import FAMILIES, ProxySpec, family_of

router = APIRouter(prefix="/v1/proxies", tags=["proxies"])


@router.get("", operation_id="list_proxies", summary="List the installed proxies", responses=problems())
async def list_proxies() -> ProxyList:
    """Which proxies a job may name, what they learn from, and how they are trained by default."""
    return ProxyList(data=[_described(name) for name in [*FAMILIES, *installed("ted.proxies")]])


def _described(name: str) -> Proxy:
    return Proxy.of(name, family_of(name), defaults=ProxySpec(name=name).resolved())
