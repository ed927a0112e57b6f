"""Every field has bounds, and a request outside them is told which field, what was wrong and what would be right."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import Json, on_both_databases

REFUSED = [
    ({"plan": {"keep_ratio": 0}}, "plan.keep_ratio", "greater than 0, not 0"),
    ({"plan": {"keep_ratio": 1}}, "plan.keep_ratio", "less than 1, not 1"),
    ({"plan": {"keep_ratio": 1.5}}, "plan.keep_ratio", "less than 1, not 1.5"),
    ({"plan": {"keep_ratio": -1}}, "plan.keep_ratio", "greater than 0, not -1"),
    ({"plan": {"keep_ratio": "0.6"}}, "plan.keep_ratio", 'a valid number, not "0.6"'),
    ({"plan": {"keep_ratio": None}}, "plan.keep_ratio", "a valid number, not null"),
    ({"plan": {"keep_ratio": True}}, "plan.keep_ratio", "a valid number, not true"),
    ({"plan": {"keep_ratio": 10**400}}, "plan.keep_ratio", "a valid number"),
    ({"plan": {"method": "best"}}, "plan.method", "'ccs' or 'dual', not \"best\""),
    ({"plan": {"q": 17}}, "plan.q", "less than or equal to 16"),
    ({"plan": {"q": "small"}}, "plan.q", "'auto', not \"small\""),
    ({"plan": {"rounds": 0}}, "plan.rounds", "greater than or equal to 1"),
    ({"plan": {"class_floor": 1.1}}, "plan.class_floor", "less than or equal to 1"),
    ({"plan": {"seed": -1}}, "plan.seed", "greater than or equal to 0"),
    ({"plan": {"seed": 2**32}}, "plan.seed", "less than 4294967296"),
    ({"plan": {"seed": 10**4000}}, "plan.seed", "less than 4294967296"),
    ({"plan": {"keep": 0.6}}, "plan.keep", "is not a field of this request"),
    ({"plan": [0.6]}, "plan", "must be a JSON object"),
    ({"plan": None}, "plan", "must be a JSON object"),
    ({"proxy": {"epochs": 1}}, "proxy.epochs", "greater than or equal to 2, not 1"),
    ({"proxy": {"epochs": 1001}}, "proxy.epochs", "less than or equal to 1000, not 1001"),
    ({"proxy": {"epochs": "12"}}, "proxy.epochs", 'a valid integer, not "12"'),
    ({"proxy": {"epochs": 12.5}}, "proxy.epochs", "a valid integer, not 12.5"),
    ({"proxy": {"batch_size": 1}}, "proxy.batch_size", "greater than or equal to 2, not 1"),
    ({"proxy": {"batch_size": 65537}}, "proxy.batch_size", "less than or equal to 65536, not 65537"),
    ({"proxy": {"learning_rate": 0}}, "proxy.learning_rate", "greater than 0"),
    ({"proxy": {"augment": 1}}, "proxy.augment", "a valid boolean, not 1"),
    ({"proxy": {"name": ""}}, "proxy.name", "at least 1 character"),
    ({"proxy": {"layers": 3}}, "proxy.layers", "is not a field of this request"),
    (
        {"dataset": {"task": "regression"}},
        "dataset.task",
        "'regression' is not among image-classification, tabular-classification, text-classification, causal-lm",
    ),
    ({"dataset": {"format": "xlsx"}}, "dataset.format", "'xlsx' is not among parquet, jsonl, json, csv, tsv"),
    ({"dataset": {"uri": 7}}, "dataset.uri", "a valid string, not 7"),
    ({"dataset": {"uri": ""}}, "dataset.uri", "at least 1 character"),
    ({"dataset": {"uri": "/" * 4097}}, "dataset.uri", "at most 4096 characters"),
    ({"dataset": {"input": 5}}, "dataset.input", "a valid string, not 5"),
    ({"dataset": {"input": []}}, "dataset.input", "at least 1 item"),
    ({"dataset": {"input": "x" * 1025}}, "dataset.input", "at most 1024 characters"),
    ({"dataset": {"target": "x" * 1025}}, "dataset.target", "at most 1024 characters"),
    ({"metadata": {"team": 1}}, "metadata.team", "a valid string, not 1"),
    ({"metadata": {"team": "x" * 513}}, "metadata.team", "at most 512 characters"),
    ({"metadata": {"the team": "x"}}, "metadata.the team", "should match pattern"),
    ({"metadata": {"x" * 65: "x"}}, f"metadata.{'x' * 65}", "at most 64 characters"),
    ({"metadata": {f"key{number}": "" for number in range(17)}}, "metadata", "at most 16 items"),
    ({"metadata": ["vision"]}, "metadata", "a valid dictionary"),
    ({"deadline_seconds": 0}, "deadline_seconds", "greater than or equal to 1, not 0"),
    ({"deadline_seconds": 2592001}, "deadline_seconds", "less than or equal to 2592000"),
    ({"priority": 9}, "priority", "is not a field of this request"),
]


def named(case: tuple[Json, str, str]) -> str:
    changes, _, _ = case
    return repr(changes)[:50]


@pytest.mark.parametrize(("changes", "field", "says"), REFUSED, ids=map(named, REFUSED))
def test_a_field_out_of_bounds_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    changes: Json,
    field: str,
    says: str,
) -> None:
    body = submission(**changes)

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code="invalid_request", field=field, says=says)


def test_all_missing_fields_are_named_at_once(client: TestClient) -> None:
    body = {"dataset": {"uri": "/data"}, "plan": {}}

    problem = client.post("/v1/jobs", json=body).json()

    missing = {error["field"] for error in problem["errors"] if error["message"] == "is required"}
    assert missing == {"dataset.task", "proxy", "plan.keep_ratio"}


@pytest.mark.parametrize(("mistakes", "errors"), [(90, 20), (1000, 1)])
def test_many_mistakes_are_answered_briefly(
    client: TestClient, submission: Callable[..., Json], mistakes: int, errors: int
) -> None:
    body = submission(**{f"mistake{number}{'x' * 500}": 0 for number in range(mistakes)})

    answer = client.post("/v1/jobs", json=body)

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == errors
    assert len(answer.content) < 20_000


@on_both_databases
def test_unusual_text_survives_the_database_unchanged(client: TestClient, submission: Callable[..., Json]) -> None:
    metadata = {"nul": "a\0b", "emoji": "🙂", "quotes": "';--\"", "control": "\x1b[31m", "empty": ""}

    job = client.post("/v1/jobs", json=submission(metadata=metadata)).json()

    assert client.get(f"/v1/jobs/{job['id']}").json()["metadata"] == metadata
    assert client.get("/v1/jobs").json()["data"][0]["metadata"] == metadata


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "should match pattern"), ("x" * 256, "at most 255 characters"), ("é", "should match pattern")],
)
def test_an_idempotency_key_that_cannot_be_stored_is_refused(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None], key: str, says: str
) -> None:
    headers = {"Idempotency-Key": key.encode()}

    answer = client.post("/v1/jobs", json=submission(), headers=headers)

    must_refuse(answer, code="invalid_request", field="Idempotency-Key", says=says)
