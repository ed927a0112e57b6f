"""The proxies that a job may name: those that are installed, and names that a tenant gave to settings of them."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.apidoc.document import documented_response, json_request_body, problem_responses
from service.http.bodies import json_response, parse_body
from service.http.parameters import JsonBody
from service.http.request import AuthenticatedRequest, AuthenticatedRoute
from service.schemas import registry as schemas
from ted_core.plugins import installed
from ted_core.proxies import resolve_proxy
from ted_core.proxies.spec import FAMILIES
from ted_jobs.errors import NameTaken
from ted_jobs.registry import MOST_NAMES

router = APIRouter(prefix="/v1/proxies", tags=["proxies"], route_class=AuthenticatedRoute)

ProxyNameParam = Annotated[str, Path(description="The proxy's name.", examples=["resnet18"])]


def installed_names() -> list[str]:
    """Of the proxies that are part of TED, then those of plug-ins."""
    return [*FAMILIES, *installed("ted.proxies")]


@router.post(
    "",
    status_code=201,
    response_model=schemas.Proxy,
    operation_id="register_proxy",
    summary="Give a proxy's settings a name",
    openapi_extra=json_request_body(schemas.NewProxy),
    responses=documented_response(201, "The name stands for the proxy.", Location="The proxy.")
    | problem_responses(400, 409, 413, 415, 422),
)
def register_proxy(visit: AuthenticatedRequest, body: JsonBody) -> Response:
    """Let jobs write `"proxy": {"name": …}` for an installed proxy with settings; fields beside the name override."""
    asked = parse_body(schemas.NewProxy, body)
    if asked.name in installed_names():
        raise NameTaken(f"{asked.name!r} is installed", field="name")
    resolve_proxy(asked.proxy, model_roots=visit.app_state.settings.model_roots)
    document = asked.proxy.model_dump(mode="json", exclude_unset=True)
    known = visit.app_state.names.add("proxy", asked.name, document=document, facts={}, tenant=visit.tenant)
    return json_response(schemas.Proxy.registered(known), status=201, headers={"Location": f"/v1/proxies/{known.name}"})


@router.get("", operation_id="list_proxies", summary="List the proxies", responses=problem_responses())
def list_proxies(visit: AuthenticatedRequest) -> schemas.ProxyList:
    """Which proxies a job may name, what they learn from, and how they are trained by default."""
    registered = visit.app_state.names.page("proxy", tenant=visit.tenant, limit=MOST_NAMES)
    return schemas.ProxyList(
        data=[*map(schemas.Proxy.installed, installed_names()), *map(schemas.Proxy.registered, registered)]
    )


@router.get(
    "/{name}", operation_id="read_proxy", summary="See how a proxy is trained", responses=problem_responses(404)
)
def read_proxy(visit: AuthenticatedRequest, name: ProxyNameParam) -> schemas.Proxy:
    """An installed proxy, or what a registered name stands for."""
    if name in installed_names():
        return schemas.Proxy.installed(name)
    return schemas.Proxy.registered(visit.app_state.names.lookup("proxy", name, tenant=visit.tenant))


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="forget_proxy",
    summary="Forget a registered name",
    responses=documented_response(204, "The name stands for nothing.") | problem_responses(404),
)
def forget_proxy(visit: AuthenticatedRequest, name: ProxyNameParam) -> None:
    """The name is free again. Jobs that used it stay as they are; installed proxies have no name to forget."""
    visit.app_state.names.delete("proxy", name, tenant=visit.tenant)
