"""The OpenAPI document is current and whole, and the service that it describes loads no torch."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from service import openapi
from service.app import create_app
from service.http.problems import MEDIA_TYPE, STATUS
from ted_jobs.settings import Settings
from tests.service.conftest import Json

COMMITTED = Path(__file__).parents[3] / "openapi" / "openapi.json"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings())


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    return app.openapi()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_committed_document_is_up_to_date(app: FastAPI) -> None:
    assert openapi.text(app) == COMMITTED.read_text(), "run scripts/openapi and commit openapi/openapi.json"


def test_every_operation_has_an_id_of_its_own_and_a_summary(document: Json) -> None:
    ids = [operation.get("operationId") for _, _, operation in operations(document)]

    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert all(operation.get("summary") for _, _, operation in operations(document))


def test_every_problem_is_documented_as_one(document: Json) -> None:
    for method, path, operation in operations(document):
        problems = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"500", "503"} <= problems.keys(), path
        assert ("404" in problems) == ("{" in path), path
        for answer in problems.values():
            assert answer["description"]
            assert list(answer.get("content", {})) == ([] if method == "head" else [MEDIA_TYPE]), (method, path)


def test_every_status_in_the_table_of_problems_is_documented_somewhere(document: Json) -> None:
    documented = {int(status) for _, _, operation in operations(document) for status in operation["responses"]}

    assert set(STATUS.values()) <= documented


def test_every_reference_resolves_and_every_schema_is_used(document: Json) -> None:
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(references(document)) == schemas


def test_the_service_loads_no_torch() -> None:
    program = "import json, sys, service.app; service.app.create_app(); print(json.dumps(list(sys.modules)))"

    loaded = json.loads(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)

    assert "service.app" in loaded
    assert not {"torch", "worker", "sklearn"} & set(loaded)
