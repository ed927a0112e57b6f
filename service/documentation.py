"""What the OpenAPI document says beyond what FastAPI finds in the signatures."""

from typing import Any

from fastapi.openapi.constants import REF_TEMPLATE
from pydantic.json_schema import models_json_schema

from service.download import MEDIA_TYPE as PARQUET
from service.examples import SUBMISSION
from service.problems import MEDIA_TYPE as PROBLEM
from service.schemas import Problem
from ted_jobs.spec import JobSpec

Json = dict[str, Any]

DESCRIPTION = """
Submit a pruning job, watch it, download the indices of the rows that are worth training on.

`plan.keep_ratio` is the fraction of rows that is **retained**. Every error is an RFC 9457 problem with a stable `code`;
`errors` names the request's fields. `X-Request-ID` is taken from the request, or made, and returned.
"""

MEANINGS = {
    304: "What the client already holds is still right.",
    400: "The body is not JSON.",
    403: "Not for clients on other machines.",
    404: "There is no such job.",
    409: "The job is not in a state that allows this.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    416: "The range begins behind the end of the file.",
    422: "A field of the request is not what it must be; `errors` says which, and what would be right.",
    500: "The service met an error of its own.",
    503: "The job store, or the object store that the dataset lies in, does not answer.",
}


def problems(*statuses: int) -> dict[int | str, Json]:
    """The documentation of the problems an endpoint may answer with; 500 and 503 are always among them."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": MEANINGS[status], "content": content} for status in sorted({*statuses, 500, 503})}


def answers(status: int, description: str, **headers: str) -> dict[int | str, Json]:
    """The documentation of an answer's meaning and of its headers, whose names are given with underscores."""
    named = {name.replace("_", "-"): _header(text) for name, text in headers.items()}
    return {status: {"description": description, "headers": named}}


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


NOT_MODIFIED: dict[int | str, Json] = {304: {"description": MEANINGS[304]}}

JOB_SPEC_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/JobSpec"}, "examples": {"digits": {}}}
        },
    }
}
JOB_SPEC_BODY["requestBody"]["content"]["application/json"]["examples"]["digits"] = {
    "summary": "Keep 60 % of a Parquet file of images",
    "value": SUBMISSION,
}

PARQUET_FILE: Json = {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}

METRICS: Json = {
    "content": {name: {"schema": {"type": "string"}} for name in ("text/plain", "application/openmetrics-text")}
}

PAGE: Json = {"content": {"text/html": {"schema": {"type": "string"}}}}


def completed(document: Json) -> Json:
    """FastAPI's document with the models that only we name, and without the errors that only FastAPI would send."""
    schemas = document["components"]["schemas"]
    modes = [(JobSpec, "validation"), (Problem, "serialization")]
    _, ours = models_json_schema(modes, ref_template=REF_TEMPLATE)  # type: ignore[arg-type]
    theirs = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    document["components"]["schemas"] = ours["$defs"] | theirs
    for path in document["paths"].values():
        for operation in path.values():
            _drop_foreign_errors(operation["responses"])
    return document


def _drop_foreign_errors(responses: Json) -> None:
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
