"""The OpenAPI document."""

import json
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

DESCRIPTION: dict[str, Any] = {
    "title": "TED",
    "version": version("ted-coreset"),
    "summary": "A coreset service: which rows of a training set are worth training on.",
    "description": "POST a pruning job, poll it, download the manifest of retained rows. "
    "`keep_ratio` is everywhere the fraction of rows that is RETAINED.",
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
PROBLEM_MEDIA_TYPE = "application/problem+json"
FIRST_ERROR = 400
UNUSED = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI) -> dict[str, Any]:
    """The app's description, made once: FastAPI's own, with every error as the problem that it really is."""
    if not app.openapi_schema:
        described = get_openapi(routes=app.routes, **DESCRIPTION)
        for path in described["paths"].values():
            for operation in path.values():
                _correct(operation["responses"])
        for name in UNUSED:
            described["components"]["schemas"].pop(name, None)
        app.openapi_schema = described
    return app.openapi_schema


def text(app: FastAPI) -> str:
    """The document as it stands in ``openapi/openapi.json``."""
    return json.dumps(document(app), indent=2, sort_keys=True) + "\n"


def _correct(responses: dict[str, Any]) -> None:
    """Give error responses their real media type."""
    for status, response in responses.items():
        if int(status) >= FIRST_ERROR:
            schema = {"$ref": "#/components/schemas/Problem"}
            response["content"] = {PROBLEM_MEDIA_TYPE: {"schema": schema}}
