"""The proxies that a job may name: those that are installed, and names that a tenant gave to settings of them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from service.apidoc.responses import documented_response, json_request_body, problem_responses
from service.http.dependencies import Caller, State, json_body
from service.schemas import registry as schemas
from ted_core.plugins import installed
from ted_core.proxies import resolve_proxy
from ted_core.proxies.spec import FAMILIES
from ted_jobs.errors import NameTaken
from ted_jobs.registry import MOST_NAMES

router = APIRouter(prefix="/v1/proxies", tags=["proxies"])

ProxyNameParam = Annotated[str, Path(description="The proxy's name.", examples=["resnet18"])]
NewProxyBody = Annotated[schemas.NewProxy, Depends(json_body(schemas.NewProxy))]


def installed_names() -> list[str]:
    """Return the names of the proxies that are part of TED, then those of plug-ins."""
    return [*FAMILIES, *installed("ted.proxies")]


@router.post(
    "",
    status_code=201,
    operation_id="register_proxy",
    summary="Give a proxy's settings a name",
    openapi_extra=json_request_body(schemas.NewProxy),
    responses=documented_response(201, "The name stands for the proxy.", Location="The proxy.")
    | problem_responses(400, 409, 413, 415, 422),
)
def register_proxy(body: NewProxyBody, state: State, caller: Caller, response: Response) -> schemas.Proxy:
    """Let jobs write `"proxy": {"name": …}` for an installed proxy with settings; fields beside the name override."""
    if body.name in installed_names():
        raise NameTaken(f"{body.name!r} is installed", field="name")
    resolve_proxy(body.proxy, model_roots=state.settings.model_roots)
    document = body.proxy.model_dump(mode="json", exclude_unset=True)
    registration = state.names.add("proxy", body.name, document=document, facts={}, tenant=caller.tenant)
    response.headers["Location"] = f"/v1/proxies/{registration.name}"
    return schemas.Proxy.registered(registration)


@router.get("", operation_id="list_proxies", summary="List the proxies")
def list_proxies(state: State, caller: Caller) -> schemas.ProxyList:
    """Which proxies a job may name, what they learn from, and how they are trained by default."""
    registered = state.names.page("proxy", tenant=caller.tenant, limit=MOST_NAMES)
    return schemas.ProxyList(
        data=[*map(schemas.Proxy.installed, installed_names()), *map(schemas.Proxy.registered, registered)]
    )


@router.get(
    "/{name}", operation_id="read_proxy", summary="See how a proxy is trained", responses=problem_responses(404)
)
def read_proxy(name: ProxyNameParam, state: State, caller: Caller) -> schemas.Proxy:
    """An installed proxy, or what a registered name stands for."""
    if name in installed_names():
        return schemas.Proxy.installed(name)
    return schemas.Proxy.registered(state.names.lookup("proxy", name, tenant=caller.tenant))


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="forget_proxy",
    summary="Forget a registered name",
    responses=documented_response(204, "The name stands for nothing.") | problem_responses(404),
)
def forget_proxy(name: ProxyNameParam, state: State, caller: Caller) -> None:
    """The name is free again. Jobs that used it stay as they are; installed proxies have no name to forget."""
    state.names.delete("proxy", name, tenant=caller.tenant)
