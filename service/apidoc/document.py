"""What the OpenAPI document says beyond what FastAPI finds in the signatures."""

from typing import Any

from fastapi.openapi.constants import REF_TEMPLATE
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.apidoc.links import add_links
from service.http.file_response import MEDIA_TYPE as PARQUET
from service.http.parameters import IF_NONE_MATCH_DESCRIPTION
from service.http.prefer_wait import MOST_SECONDS
from service.http.problems import MEDIA_TYPE as PROBLEM
from service.schemas.examples import SUBMISSION
from service.schemas.jobs import Problem
from service.schemas.registry import JobRequest

OpenApiObject = dict[str, Any]

DESCRIPTION = """
Submit a pruning job, watch it, download the indices of the rows that are worth training on.

`plan.keep_ratio` is the fraction of rows that is **retained**. Every error is an RFC 9457 problem with a stable `code`;
`errors` names the request's fields. `X-Request-ID` is taken from the request, or made, and returned.
"""

STATUS_DESCRIPTIONS = {
    304: "What the client already holds is still right.",
    400: "The body is not JSON.",
    401: "The request shows no valid key.",
    403: "Not for clients on other machines, or not for this key.",
    404: "There is nothing of this id that is yours.",
    409: "What the request names is not in a state that allows this.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    416: "The range begins behind the end of the file.",
    422: "A field of the request is not what it must be; `errors` says which, and what would be right.",
    429: "The key, or an address without one, asks too often, or the key has as many jobs waiting as it may.",
    500: "The service met an error of its own.",
    503: "The job store, or the object store that the dataset lies in, does not answer.",
}


def problem_responses(*statuses: int) -> dict[int | str, OpenApiObject]:
    """The documentation of the problems an endpoint may answer with; 500 and 503 are always among them."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": STATUS_DESCRIPTIONS[status], "content": content}
        for status in sorted({*statuses, 500, 503})
    }


def documented_response(status: int, description: str, **headers: str) -> dict[int | str, OpenApiObject]:
    """The documentation of an answer's meaning and of its headers, whose names are given with underscores."""
    named = {name.replace("_", "-"): _header(text) for name, text in headers.items()}
    return {status: {"description": description, "headers": named}}


def _header(description: str) -> OpenApiObject:
    return {"description": description, "schema": {"type": "string"}}


SECURITY_SCHEME_NAME = "key"
SECURITY_SCHEME: OpenApiObject = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ted_…",
    "description": "A key that `ted keys create` has made. Looking needs its scope `read`, all else `submit`; the "
    "scope `admin` implies both. A service that was started with `TED_AUTH=open` asks for none.",
}
READ_METHODS = ("get", "head")
"""What methods every key is good for."""

NOT_MODIFIED: dict[int | str, OpenApiObject] = {304: {"description": STATUS_DESCRIPTIONS[304]}}

JOB_SPEC_BODY: OpenApiObject = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/JobRequest"}, "examples": {"digits": {}}}
        },
    }
}
JOB_SPEC_BODY["requestBody"]["content"]["application/json"]["examples"]["digits"] = {
    "summary": "Keep 60 % of a Parquet file of images",
    "value": SUBMISSION,
}


def json_request_body(model: type[BaseModel]) -> OpenApiObject:
    """The documentation of a body that the endpoint parses itself."""
    schema = model.model_json_schema(ref_template=REF_TEMPLATE)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


PARQUET_FILE: OpenApiObject = {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}

METRICS: OpenApiObject = {
    "content": {name: {"schema": {"type": "string"}} for name in ("text/plain", "application/openmetrics-text")}
}

EVENT_STREAM: OpenApiObject = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


def documented_parameters(*documented: OpenApiObject) -> OpenApiObject:
    """The documentation of parameters that an endpoint reads itself, which is quicker than to let FastAPI do it."""
    return {"parameters": list(documented)}


PREFER: OpenApiObject = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=N`: hold the answer back for up to N seconds, at most {MOST_SECONDS}, until there is "
    "something to tell. Other preferences, and what cannot be understood, are ignored.",
    "schema": {"type": "string", "examples": ["wait=30"], "title": "Prefer"},
}

IF_NONE_MATCH: OpenApiObject = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": IF_NONE_MATCH_DESCRIPTION,
    "schema": {"type": "string", "title": "If-None-Match"},
}

METADATA_FILTER: OpenApiObject = {
    "name": "metadata",
    "in": "query",
    "required": False,
    "description": "Only jobs that have all of these labels: `metadata[team]=vision`.",
    "style": "deepObject",
    "explode": True,
    "schema": {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_.:-]+$"},
        "additionalProperties": {"type": "string", "maxLength": 512, "pattern": r"^[^\x00]*$"},
    },
}

HTML_PAGE: OpenApiObject = {"content": {"text/html": {"schema": {"type": "string"}}}}


def complete_document(document: OpenApiObject) -> OpenApiObject:
    """FastAPI's document with the models that only we name, and without the errors that only FastAPI would send."""
    schemas = document["components"]["schemas"]
    modes = [(JobRequest, "validation"), (Problem, "serialization")]
    _, ours = models_json_schema(modes, ref_template=REF_TEMPLATE)  # type: ignore[arg-type]
    theirs = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    document["components"]["schemas"] = ours["$defs"] | theirs
    document["components"]["securitySchemes"] = {SECURITY_SCHEME_NAME: SECURITY_SCHEME}
    for path, operations in (document["paths"] | document["webhooks"]).items():
        for method, operation in operations.items():
            _drop_foreign_errors(operation["responses"])
            _drop_null(operation.get("parameters", []))
            if path.startswith("/v1/"):
                _require_key(operation, method)
    add_links(document["paths"])
    return document


def _require_key(operation: OpenApiObject, method: str) -> None:
    """Say that the operation needs a key, and how it is refused without one."""
    operation["security"] = [{SECURITY_SCHEME_NAME: []}]
    statuses = (401, 429) if method in READ_METHODS else (401, 403, 429)
    refusals = {str(status): answer for status, answer in problem_responses(*statuses).items() if status in statuses}
    silent = {status: {"description": answer["description"]} for status, answer in refusals.items()}
    operation["responses"] |= silent if method == "head" else refusals


def _drop_null(parameters: list[OpenApiObject]) -> None:
    """An optional parameter is left out; what travels as text cannot be null."""
    for parameter in parameters:
        schema = parameter["schema"]
        some = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
        if len(some) == 1:
            del schema["anyOf"]
            schema |= some[0]


def _drop_foreign_errors(responses: OpenApiObject) -> None:
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
