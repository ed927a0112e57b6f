"""A dataset that cannot be used is refused at submission: from its headers, naming the field, storing nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import Json, on_both_databases

TABULAR = {"task": "tabular-classification"}

UNUSABLE = [
    ("missing.parquet", "dataset_not_found", "dataset.uri", "check the path"),
    ("text.parquet", "dataset_unreadable", "dataset.format", "text.parquet is not a Parquet file"),
    ("zero_bytes.parquet", "dataset_unreadable", "dataset.format", "zero_bytes.parquet is not a Parquet file"),
    ("truncated.parquet", "dataset_unreadable", "dataset.format", "truncated.parquet is not a Parquet file"),
    ("no_files", "dataset_unreadable", "dataset.uri", "holds no file that can be read as parquet, jsonl"),
    ("empty.parquet", "dataset_empty", "dataset.uri", "has no rows"),
    ("null_image.parquet", "missing_values", "dataset.input", "'image' of null_image.parquet has 1 null"),
    ("null_label.parquet", "missing_values", "dataset.target", "'label' of null_label.parquet has 1 null"),
    ("float_labels.parquet", "unusable_labels", "dataset.target", "'label' is of type double"),
    ("numbers_as_images.parquet", "unusable_inputs", "dataset.input", "'image' is of type double, not encoded image"),
    ("column_twice.parquet", "dataset_unreadable", "dataset.target", "'label' is the name of several columns"),
    ("other_type", "schemas_differ", "dataset.uri", "part-1.parquet differs from the first file in"),
    ("other_column", "schemas_differ", "dataset.uri", "part-1.parquet differs from the first file in"),
]

UNFIT = [
    ({"dataset": {"input": "picture"}}, "unknown_column", "dataset.input", "'picture' is not among image, label"),
    ({"dataset": {"target": "class"}}, "unknown_column", "dataset.target", "'class' is not among image, label"),
    ({"dataset": {"input": ["image", "label"]}}, "unusable_inputs", "dataset.input", "'label' is the target"),
    (
        {"dataset": {"format": "npz"}},
        "dataset_unreadable",
        "dataset.format",
        "set dataset.format to parquet",
    ),
    ({"dataset": {"format": "idx"}}, "dataset_unreadable", "dataset.uri", "name the folder that holds"),
    ({"dataset": {"target": "a\0b"}}, "unknown_column", "dataset.target", "is not among image, label"),
    ({"plan": {"keep_ratio": 0.1}}, "too_few_rows_kept", "plan.keep_ratio", "leaves 4 of 40 rows"),
    ({"plan": {"rounds": 13}}, "too_few_rounds", "plan.rounds", "13 rounds need as many epochs, not 12"),
    ({"proxy": {"name": "vit"}}, "unknown_proxy", "proxy.name", "'vit' is not among mlp, cnn, resnet18"),
    ({"proxy": {"name": "c\0nn"}}, "unknown_proxy", "proxy.name", "is not among mlp, cnn, resnet18"),
]

UNFIT_PLANS = [
    ({"method": "el2n"}, "plan.method", "Method el2n"),
    ({"method": "dual"}, "plan.method", "Method dual"),
    ({"score": "parameter"}, "plan.score", "Score parameter"),
]
"""For rows that have several classes."""

UNFIT_TABLES = [
    ("null_number.parquet", "mlp", "missing_values", "dataset.input", "'length' of null_number.parquet has 1 null"),
    ("days.parquet", "mlp", "unusable_inputs", "dataset.input", "No column"),
    ("numbers.parquet", "resnet18", "proxy_mismatch", "proxy.name", "resnet18 takes images, not vectors"),
    ("numbers.parquet", "cnn", "proxy_mismatch", "proxy.name", "use mlp for vectors"),
]


@pytest.mark.parametrize(("dataset", "code", "field", "says"), UNUSABLE)
def test_an_unusable_dataset_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    dataset: str,
    code: str,
    field: str,
    says: str,
) -> None:
    body = submission(dataset)

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code=code, field=field, says=says)


@pytest.mark.parametrize(("changes", "code", "field", "says"), UNFIT)
def test_a_request_that_its_dataset_cannot_fulfil_is_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    changes: Json,
    code: str,
    field: str,
    says: str,
) -> None:
    body = submission("images.parquet", **changes)

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code=code, field=field, says=says)


@pytest.mark.parametrize(("dataset", "proxy", "code", "field", "says"), UNFIT_TABLES)
def test_a_table_and_a_proxy_that_do_not_fit_are_refused(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    dataset: str,
    proxy: str,
    code: str,
    field: str,
    says: str,
) -> None:
    body = submission(dataset, dataset=TABULAR, proxy={"name": proxy})

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code=code, field=field, says=says)


@on_both_databases
def test_a_refused_dataset_leaves_nothing_behind_on_either_database(
    client: TestClient, submission: Callable[..., Json], must_refuse: Callable[..., None]
) -> None:
    body = submission("truncated.parquet")

    answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "refused"})

    must_refuse(answer, code="dataset_unreadable", field="dataset.format", says="truncated.parquet")


def test_a_refused_submission_does_not_use_up_its_idempotency_key(
    client: TestClient, submission: Callable[..., Json], data: Path
) -> None:
    body, key = submission("repaired.parquet"), {"Idempotency-Key": "again"}
    refused = client.post("/v1/jobs", json=body, headers=key)
    (data / "repaired.parquet").write_bytes((data / "images.parquet").read_bytes())

    taken = client.post("/v1/jobs", json=body, headers=key)

    assert (refused.status_code, taken.status_code) == (422, 202)
    assert "Idempotent-Replayed" not in taken.headers
    (data / "repaired.parquet").unlink()


@pytest.mark.parametrize(("plan", "field", "says"), UNFIT_PLANS)
def test_single_label_methods_refuse_multi_label_columns(
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    plan: Json,
    field: str,
    says: str,
) -> None:
    answer = client.post("/v1/jobs", json=submission("several_labels.parquet", plan=plan))

    must_refuse(answer, code="method_unsuited", field=field, says=says)
    assert client.post("/v1/jobs", json=submission("several_labels.parquet")).status_code == 202
