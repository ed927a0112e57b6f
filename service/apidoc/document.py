"""The OpenAPI document: FastAPI's, and what it cannot find in the signatures."""

from typing import Any

from fastapi.openapi.constants import REF_TEMPLATE
from pydantic.json_schema import models_json_schema

from service.apidoc.links import add_links
from service.apidoc.responses import OpenApiObject, problem_responses
from service.http.dependencies import READ_METHODS
from service.schemas.jobs import JobRequest
from service.schemas.problems import Problem

DESCRIPTION = """
Submit a pruning job, watch it, download the indices of the rows that are worth training on.

`plan.keep_ratio` is the fraction of rows that is **retained**. Every error is an RFC 9457 problem with a stable `code`;
`errors` names the request's fields. `X-Request-ID` is taken from the request, or made, and returned.

A header of more than 1 KB is ignored, an `Idempotency-Key` of more than 255 characters refused.
"""


def complete_document(document: OpenApiObject) -> OpenApiObject:
    """Return FastAPI's document with the models that only we name, and without the errors that only FastAPI would
    send."""
    _add_models(document["components"])
    for operations in (document["paths"] | document["webhooks"]).values():
        for method, operation in operations.items():
            _complete_operation(operation, method.upper())
    add_links(document["paths"])
    return document


def _add_models(components: OpenApiObject) -> None:
    modes: Any = [(JobRequest, "validation"), (Problem, "serialization")]
    _, models = models_json_schema(modes, ref_template=REF_TEMPLATE)
    others = {name: schema for name, schema in components["schemas"].items() if "ValidationError" not in name}
    components["schemas"] = models["$defs"] | others


def _complete_operation(operation: OpenApiObject, method: str) -> None:
    _drop_foreign_errors(operation["responses"])
    _drop_null(operation.get("parameters", []))
    if "security" in operation and method not in READ_METHODS:
        operation["responses"] |= {str(status): response for status, response in problem_responses(403).items()}
    if method == "HEAD":
        _drop_content(operation["responses"])


def _drop_foreign_errors(responses: OpenApiObject) -> None:
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]


def _drop_null(parameters: list[OpenApiObject]) -> None:
    """An optional parameter is left out; what travels as text cannot be null."""
    for parameter in parameters:
        schema = parameter["schema"]
        some = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
        if len(some) == 1:
            del schema["anyOf"]
            schema |= some[0]


def _drop_content(responses: OpenApiObject) -> None:
    """A response to HEAD has no body."""
    for response in responses.values():
        response.pop("content", None)
