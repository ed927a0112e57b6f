"""Names for datasets: register one, see what it stands for, forget it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.apidoc.document import documented_response, json_request_body, problem_responses
from service.http.bodies import json_response, parse_body
from service.http.parameters import JsonBody
from service.http.request import AuthenticatedRequest, AuthenticatedRoute
from service.schemas import registry as schemas
from ted_core.datasets import inspect
from ted_core.errors import TedError

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=AuthenticatedRoute)


class DatasetPage(BaseModel):
    """Which names to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=64, description="List the names that follow this one.")] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 20


DatasetNameParam = Annotated[str, Path(description="The registered name.", examples=["digits"])]


@router.post(
    "",
    status_code=201,
    response_model=schemas.Dataset,
    operation_id="register_dataset",
    summary="Give a dataset a name",
    openapi_extra=json_request_body(schemas.NewDataset),
    responses=documented_response(201, "The name stands for the dataset.", Location="The dataset.")
    | problem_responses(400, 409, 413, 415, 422),
)
def register_dataset(visit: AuthenticatedRequest, body: JsonBody) -> Response:
    """Check that the dataset can be used, and let jobs write `"dataset": {"name": …}` from now on.

    A job that is submitted by name keeps what the name stood for then.
    """
    asked = parse_body(schemas.NewDataset, body)
    found = inspect(asked, roots=visit.app_state.settings.dataset_roots)
    facts = {"rows": found.rows, "columns": list(found.columns), "guard": found.change_token}
    known = visit.app_state.names.add(
        "dataset", asked.name, document=asked.document(), facts=facts, tenant=visit.tenant
    )
    location = {"Location": f"/v1/datasets/{known.name}"}
    return json_response(schemas.Dataset.of(known, changed=False), status=201, headers=location)


@router.get("", operation_id="list_datasets", summary="List registered datasets", responses=problem_responses(422))
def list_datasets(visit: AuthenticatedRequest, wanted: Annotated[DatasetPage, Query()]) -> schemas.DatasetList:
    """By name, as they were when they were registered."""
    found = visit.app_state.names.page("dataset", tenant=visit.tenant, after=wanted.after, limit=wanted.limit + 1)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    data = [schemas.Dataset.of(one) for one in page]
    return schemas.DatasetList(data=data, has_more=more, next=page[-1].name if more else None)


@router.get(
    "/{name}",
    operation_id="read_dataset",
    summary="See what a registered dataset holds",
    responses=problem_responses(404),
)
def read_dataset(visit: AuthenticatedRequest, name: DatasetNameParam) -> schemas.Dataset:
    """Its rows and columns, and whether it has changed since it was registered."""
    known = visit.app_state.names.lookup("dataset", name, tenant=visit.tenant)
    described = schemas.Dataset.of(known)
    try:
        now = inspect(described.reference, roots=visit.app_state.settings.dataset_roots)
    except TedError:
        return described
    return described.model_copy(update={"changed": now.change_token != described.guard})


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="forget_dataset",
    summary="Forget a registered name",
    responses=documented_response(204, "The name stands for nothing.") | problem_responses(404),
)
def forget_dataset(visit: AuthenticatedRequest, name: DatasetNameParam) -> None:
    """The name is free again. The dataset itself, and jobs that used it, stay as they are."""
    visit.app_state.names.delete("dataset", name, tenant=visit.tenant)
