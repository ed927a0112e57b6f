"""What endpoints declare about their responses, bodies and parameters where their signatures do not tell."""

from typing import Any

from fastapi.openapi.constants import REF_TEMPLATE
from pydantic import BaseModel

from service.http.bodies import JSON
from service.http.event_stream import MEDIA_TYPE as EVENT_STREAM_TYPE
from service.http.file_response import MEDIA_TYPE as PARQUET
from service.http.problems import MEDIA_TYPE as PROBLEM
from service.schemas.examples import SUBMISSION

OpenApiObject = dict[str, Any]
Responses = dict[int | str, OpenApiObject]

STATUS_DESCRIPTIONS = {
    304: "What the client already holds is still right.",
    400: "The request is no unambiguous HTTP, or its body is not JSON.",
    401: "The request shows no valid key.",
    403: "Not for clients on other machines, or not for this key.",
    404: "There is nothing of this id that is yours.",
    408: "The request did not arrive in time.",
    409: "What the request names is not in a state that allows this.",
    410: "The job's file is gone or damaged.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    416: "The range begins behind the end of the file.",
    422: "A field of the request is not what it must be; `errors` says which, and what would be right.",
    429: "The key, or an address without one, asks too often, or the key has too many jobs or requests waiting.",
    431: "The request's line and headers are longer than 16 KB.",
    500: "The service met an error of its own.",
    503: "The job store, or the object store that the dataset lies in, does not answer; or too many datasets are being "
    "looked at, or there are too many connections. `Retry-After` says when to try again.",
}


def problem_responses(*statuses: int) -> Responses:
    """Return the documentation of problems that an endpoint, or every endpoint of a router, may answer with."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": STATUS_DESCRIPTIONS[status], "content": content} for status in statuses}


def documented_response(status: int, description: str, **headers: str) -> Responses:
    """Return the documentation of a response and of its headers, whose names are given with underscores."""
    named = {name.replace("_", "-"): _header(text) for name, text in headers.items()}
    return {status: {"description": description, "headers": named}}


def _header(description: str) -> OpenApiObject:
    return {"description": description, "schema": {"type": "string"}}


def _text(*media_types: str, **schema: str) -> OpenApiObject:
    return {"content": {media_type: {"schema": {"type": "string", **schema}} for media_type in media_types}}


SERVICE_PROBLEMS = problem_responses(400, 408, 431, 500, 503)
NOT_MODIFIED: Responses = {304: {"description": STATUS_DESCRIPTIONS[304]}}
PARQUET_FILE = _text(PARQUET, format="binary")
METRICS = _text("text/plain", "application/openmetrics-text")
EVENT_STREAM = _text(EVENT_STREAM_TYPE)
HTML_PAGE = _text("text/html")


def json_request_body(model: type[BaseModel]) -> OpenApiObject:
    """Return the documentation of a body that ``service.http.dependencies.json_body`` parses."""
    return _request_body({"schema": model.model_json_schema(ref_template=REF_TEMPLATE)})


def _request_body(content: OpenApiObject) -> OpenApiObject:
    return {"requestBody": {"required": True, "content": {JSON: content}}}


JOB_SPEC_BODY = _request_body(
    {
        "schema": {"$ref": "#/components/schemas/JobRequest"},
        "examples": {"digits": {"summary": "Keep 60 % of a Parquet file of images", "value": SUBMISSION}},
    }
)

METADATA_FILTER: OpenApiObject = {
    "parameters": [
        {
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
    ]
}
"""A parameter of a style that FastAPI does not know."""
