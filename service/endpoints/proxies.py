"""The proxies that a job may name: those that are installed, and names that a tenant gave to settings of them."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.apidoc.document import answers, json_body, problems
from service.http.bodies import answer, parsed
from service.http.parameters import JsonBody
from service.http.request import Keyed, Visit
from service.schemas import registry as schemas
from ted_core.plugins import installed
from ted_core.proxies.model_files import located
from ted_core.proxies.spec import FAMILIES
from ted_jobs.errors import NameTaken
from ted_jobs.registry import MOST_NAMES

router = APIRouter(prefix="/v1/proxies", tags=["proxies"], route_class=Keyed)

Name = Annotated[str, Path(description="The proxy's name.", examples=["resnet18"])]


def installed_names() -> list[str]:
    """Of the proxies that are part of TED, then those of plug-ins."""
    return [*FAMILIES, *installed("ted.proxies")]


@router.post(
    "",
    status_code=201,
    response_model=schemas.Proxy,
    operation_id="register_proxy",
    summary="Give a proxy's settings a name",
    openapi_extra=json_body(schemas.NewProxy),
    responses=answers(201, "The name stands for the proxy.", Location="The proxy.") | problems(400, 409, 413, 415, 422),
)
def register_proxy(visit: Visit, body: JsonBody) -> Response:
    """Let jobs write `"proxy": {"name": …}` for an installed proxy with settings; fields beside the name override."""
    asked = parsed(schemas.NewProxy, body)
    if asked.name in installed_names():
        raise NameTaken(f"{asked.name!r} is installed", field="name")
    located(asked.proxy.resolved(), roots=visit.parts.settings.model_roots)
    document = asked.proxy.model_dump(mode="json", exclude_unset=True)
    known = visit.parts.names.add("proxy", asked.name, document=document, facts={}, tenant=visit.tenant)
    return answer(schemas.Proxy.registered(known), status=201, headers={"Location": f"/v1/proxies/{known.name}"})


@router.get("", operation_id="list_proxies", summary="List the proxies", responses=problems())
def list_proxies(visit: Visit) -> schemas.ProxyList:
    """Which proxies a job may name, what they learn from, and how they are trained by default."""
    registered = visit.parts.names.page("proxy", tenant=visit.tenant, limit=MOST_NAMES)
    return schemas.ProxyList(
        data=[*map(schemas.Proxy.installed, installed_names()), *map(schemas.Proxy.registered, registered)]
    )


@router.get("/{name}", operation_id="read_proxy", summary="See how a proxy is trained", responses=problems(404))
def read_proxy(visit: Visit, name: Name) -> schemas.Proxy:
    """An installed proxy, or what a registered name stands for."""
    if name in installed_names():
        return schemas.Proxy.installed(name)
    return schemas.Proxy.registered(visit.parts.names.one("proxy", name, tenant=visit.tenant))


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="forget_proxy",
    summary="Forget a registered name",
    responses=answers(204, "The name stands for nothing.") | problems(404),
)
def forget_proxy(visit: Visit, name: Name) -> None:
    """The name is free again. Jobs that used it stay as they are; installed proxies have no name to forget."""
    visit.parts.names.remove("proxy", name, tenant=visit.tenant)
