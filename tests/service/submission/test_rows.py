"""What the first rows and the targets show is refused at submission, or told in the estimate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import Json
from tests.service.datasets import png

ROWS = 60
NUMBERS = np.arange(ROWS) / ROWS
TEXTS = [f"text number {row}" for row in range(300)]
DAMAGED: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "one class": ("mlp", {"x": NUMBERS, "label": [3] * ROWS}, "single_class", "dataset.target", "holds 1 class"),
    "nan": (
        "mlp",
        {"x": [*NUMBERS[1:], np.nan], "label": np.arange(ROWS) % 2},
        "missing_values",
        "dataset.input",
        "NaN",
    ),
    "classes": (
        *("mlp", {"x": NUMBERS, "label": np.arange(ROWS)}, "too_few_rows_kept", "plan.keep_ratio"),
        "leaves 30 of 60 rows for 60 classes",
    ),
    "texts": (
        *("mlp", {"x": TEXTS, "label": np.arange(300) % 2}, "unusable_inputs", "dataset.input"),
        "too many different strings",
    ),
    "damaged": (
        *("cnn", {"image": [b"x"] * 20, "label": np.arange(20) % 2}, "undecodable_images", "dataset.input"),
        "20 of 20 images",
    ),
}


@pytest.fixture
def write(data: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Writes a dataset among the others, and takes it away again."""

    def written(columns: dict[str, Any]) -> str:
        path = data / "these_rows.parquet"
        pq.write_table(pa.table(columns), path)
        request.addfinalizer(path.unlink)
        return path.name

    return written


@pytest.mark.parametrize("case", DAMAGED)
def test_what_rows_show_is_refused_before_a_job_is_stored(
    case: str,
    client: TestClient,
    submission: Callable[..., Json],
    must_refuse: Callable[..., None],
    write: Callable[..., str],
) -> None:
    proxy, columns, code, field, says = DAMAGED[case]
    task = "image-classification" if proxy == "cnn" else "tabular-classification"
    body = submission(write(columns), dataset={"task": task}, proxy={"name": proxy}, plan={"keep_ratio": 0.5})

    answer = client.post("/v1/jobs", json=body)

    must_refuse(answer, code=code, field=field, says=says)


def test_the_estimate_tells_classes_and_the_first_row(
    client: TestClient, submission: Callable[..., Json], write: Callable[..., str]
) -> None:
    columns = {"image": [png(row) for row in range(ROWS)], "label": ["cat", "dog", "cat"] * (ROWS // 3)}

    estimate = client.post("/v1/jobs?validate_only=true", json=submission(write(columns))).json()

    understood = estimate["understood"]
    assert understood["classes"] == [{"name": "cat", "rows": 40}, {"name": "dog", "rows": 20}]
    assert (understood["class_count"], estimate["classes"]) == (2, 2)
    assert understood["first_row"] == {"image": "1x8x8 pixels", "label": "cat"}


def test_the_estimate_of_a_job_without_samples_shows_no_row(
    client: TestClient, submission: Callable[..., Json], write: Callable[..., str]
) -> None:
    columns = {"image": [png(row) for row in range(ROWS)], "label": ["cat", "dog"] * (ROWS // 2)}
    body = submission(write(columns)) | {"report_samples": False}

    understood = client.post("/v1/jobs?validate_only=true", json=body).json()["understood"]

    assert understood["first_row"] is None
    assert understood["class_count"] == 2


def test_nearly_as_many_classes_as_rows_are_told(
    client: TestClient, submission: Callable[..., Json], write: Callable[..., str]
) -> None:
    columns = {"x": NUMBERS, "label": np.arange(ROWS) % 40}
    body = submission(write(columns), dataset={"task": "tabular-classification"}, proxy={"name": "mlp"})
    body["plan"] = {"keep_ratio": 0.9}

    job, strict = client.post("/v1/jobs", json=body), client.post("/v1/jobs", json=body | {"strict": True})

    assert "classes_nearly_unique" in [warning["code"] for warning in job.json()["warnings"]]
    assert (strict.status_code, strict.json()["code"]) == (422, "warnings_refused")
