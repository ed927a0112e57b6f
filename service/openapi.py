"""``python -m service.openapi`` prints the OpenAPI document, the same bytes for the same code."""

import json
import sys

from fastapi import FastAPI

from service.app import create_app


def text(app: FastAPI) -> str:
    """Return the app's OpenAPI document as it is kept in ``openapi/openapi.json``."""
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(create_app()))
