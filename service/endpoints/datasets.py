"""Names for datasets: register one, see what it stands for, forget it."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.apidoc.responses import documented_response, json_request_body, problem_responses
from service.http.dependencies import Caller, State, json_body
from service.http.paging import read_page
from service.schemas import registry as schemas
from ted_core.datasets import DatasetSummary
from ted_core.errors import TedError

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


class DatasetPage(BaseModel):
    """Which names to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]*$", description="List the names that follow this one.")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 20


DatasetNameParam = Annotated[str, Path(description="The registered name.", examples=["digits"])]
NewDatasetBody = Annotated[schemas.NewDataset, Depends(json_body(schemas.NewDataset))]


@router.post(
    "",
    status_code=201,
    operation_id="register_dataset",
    summary="Give a dataset a name",
    openapi_extra=json_request_body(schemas.NewDataset),
    responses=documented_response(201, "The name stands for the dataset.", Location="The dataset.")
    | problem_responses(400, 409, 413, 415, 422),
)
async def register_dataset(body: NewDatasetBody, state: State, caller: Caller, response: Response) -> schemas.Dataset:
    """Check that the dataset can be used, and let jobs write `"dataset": {"name": …}` from now on.

    A job that is submitted by name keeps what the name stood for then.
    """
    summary = await state.inspections.inspect(body, tenant=caller.tenant)
    registration = await run_in_threadpool(
        state.names.add,
        "dataset",
        body.name,
        document=_document(body, summary),
        facts=_facts(summary),
        tenant=caller.tenant,
    )
    response.headers["Location"] = f"/v1/datasets/{registration.name}"
    return schemas.Dataset.of(registration, summary)


def _document(body: schemas.NewDataset, summary: DatasetSummary) -> dict[str, object]:
    """What the name stands for, the format written out."""
    return body.document() | ({"format": summary.understood.format} if summary.understood else {})


def _facts(summary: DatasetSummary) -> dict[str, object]:
    return {
        "rows": summary.rows,
        "columns": list(summary.columns),
        "guard": summary.change_token,
        "warnings": list(map(asdict, summary.warnings)),
    }


@router.get("", operation_id="list_datasets", summary="List registered datasets", responses=problem_responses(422))
def list_datasets(query: Annotated[DatasetPage, Query()], state: State, caller: Caller) -> schemas.DatasetList:
    """By name, as they were when they were registered."""
    page = read_page(
        lambda limit: state.names.page("dataset", tenant=caller.tenant, after=query.after, limit=limit), query.limit
    )
    data = [schemas.Dataset.of(registration) for registration in page.rows]
    return schemas.DatasetList(data=data, has_more=page.has_more, next=page.next(lambda last: last.name))


@router.get(
    "/{name}",
    operation_id="read_dataset",
    summary="See what a registered dataset holds",
    responses=problem_responses(404),
)
async def read_dataset(name: DatasetNameParam, state: State, caller: Caller) -> schemas.Dataset:
    """Its rows and columns, what it is taken for, and whether it has changed since it was registered."""
    registration = await run_in_threadpool(state.names.lookup, "dataset", name, tenant=caller.tenant)
    dataset = schemas.Dataset.of(registration)
    try:
        summary = await state.inspections.inspect(dataset.reference, tenant=caller.tenant)
    except TedError:
        return dataset
    return schemas.Dataset.of(registration, summary)


@router.delete(
    "/{name}",
    status_code=204,
    operation_id="forget_dataset",
    summary="Forget a registered name",
    responses=documented_response(204, "The name stands for nothing.") | problem_responses(404),
)
def forget_dataset(name: DatasetNameParam, state: State, caller: Caller) -> None:
    """The name is free again. The dataset itself, and jobs that used it, stay as they are."""
    state.names.delete("dataset", name, tenant=caller.tenant)
