"""Classes are called what Hugging Face datasets say their codes mean."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from ted_core.errors import MissingValues
from tests.ted_core.datasets.files import loaded, refused

NAMES = ["world", "sports", "business", "science"]
CLASS_LABEL = {"names": NAMES, "_type": "ClassLabel"}


def stating(feature: object, codes: list[Any]) -> pa.Table:
    """A table whose metadata say this of the target, as Hugging Face datasets write them."""
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    return pa.table({"x": [float(row) for row in range(len(codes))], "label": codes}).replace_schema_metadata(metadata)


def as_parquet(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def as_folder(path: Path, table: pa.Table) -> Path:
    path.mkdir()
    with ipc.new_stream(path / "data.arrow", table.schema) as writer:
        writer.write_table(table)
    (path / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    return path


WRITTEN: Mapping[str, Callable[[Path, pa.Table], Path]] = {"parquet": as_parquet, "hf": as_folder}


@pytest.mark.parametrize("form", WRITTEN)
def test_classes_carry_their_names_in_the_order_of_their_codes(tmp_path: Path, form: str) -> None:
    samples = loaded(WRITTEN[form](tmp_path / "data", stating(CLASS_LABEL, [3, 0, 2, 0])), format=form)

    assert samples.classes == ("world", "business", "science")
    assert samples.labels.tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize("kind", ["Sequence", "List"])
def test_classes_in_lists_carry_their_names_too(tmp_path: Path, kind: str) -> None:
    table = stating({"feature": CLASS_LABEL, "_type": kind}, [[3, 0], [], [2]])

    assert loaded(as_parquet(tmp_path / "data.parquet", table)).classes == ("world", "business", "science")


@pytest.mark.parametrize("code", [-1, -100, 4])
def test_a_code_without_a_name_is_a_missing_label(tmp_path: Path, code: int) -> None:
    path = as_parquet(tmp_path / "data.parquet", stating(CLASS_LABEL, [1, code, 0, code]))

    error = refused(MissingValues, path)

    assert error.field == "dataset.target"
    assert f"holds {code}, which is none of the 4 classes that the dataset names, in 2 rows, first: 1, 3" in error.fact


def test_a_code_without_a_name_in_a_list_is_a_missing_label(tmp_path: Path) -> None:
    table = stating({"feature": CLASS_LABEL, "_type": "List"}, [[3, 0], [], [2, -1]])

    assert "in 1 rows, first: 2" in refused(MissingValues, as_parquet(tmp_path / "data.parquet", table)).fact


@pytest.mark.parametrize(
    "feature",
    [
        {"dtype": "int64", "_type": "Value"},
        {"names": ["a", "a", "b"], "_type": "ClassLabel"},
        {"names": ["a", 1, None], "_type": "ClassLabel"},
        {"names": "abc", "_type": "ClassLabel"},
        None,
        [],
    ],
)
def test_what_names_no_classes_changes_nothing(tmp_path: Path, feature: object) -> None:
    assert loaded(as_parquet(tmp_path / "data.parquet", stating(feature, [2, 0, 10]))).classes == ("0", "2", "10")


@pytest.mark.parametrize("metadata", ["{", "[]", '{"info": 1}', "\ud800".encode("utf-8", "surrogatepass")])
def test_metadata_that_say_something_else_are_passed_over(tmp_path: Path, metadata: str | bytes) -> None:
    table = stating(None, [0, 1]).replace_schema_metadata({"huggingface": metadata})

    assert loaded(as_parquet(tmp_path / "data.parquet", table)).classes == ("0", "1")
