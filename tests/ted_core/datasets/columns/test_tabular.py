"""Tables of numbers and categories, with and without gaps."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ted_core.datasets import Limits
from ted_core.errors import DatasetTooLarge, MissingValues, SettingUnsuited, UnusableInputs
from tests.ted_core.datasets.files import IMAGES, image, jsonl, loaded, parquet, refused, refused_on_sight

LABELS = [0, 1, 0, 1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


# --- categories -------------------------------------------------------------------------------------------------------


def test_a_category_is_a_column_of_zeros_and_ones_for_each_value_the_most_frequent_first(path: Path) -> None:
    samples = loaded(parquet(path, city=["b", "c", "a", "c"], label=LABELS), input="city")

    assert samples.inputs.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert samples.inputs.dtype == np.float32


def test_numbers_and_categories_stand_in_the_order_they_are_named(path: Path) -> None:
    parquet(path, age=[1.5, 2, 3, 4], city=["a", "b", "a", "b"], label=LABELS)

    assert loaded(path, input=["city", "age"]).inputs[0].tolist() == [1, 0, 1.5]
    assert loaded(path, input=["age", "city"]).inputs[0].tolist() == [1.5, 1, 0]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_categories_come_in_many_types(path: Path, kind: pa.DataType) -> None:
    parquet(path, city=pa.array(["a", "b", "a", "b"]).cast(kind), label=LABELS)

    assert loaded(path).inputs.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_beyond_the_sixty_four_most_frequent_categories_share_a_column(path: Path) -> None:
    names = [f"{number:02}" for number in range(70)]
    cities = names[:64] * 2 + names[64:]

    inputs = loaded(parquet(path, city=cities, label=np.arange(len(cities)) % 2), input="city").inputs

    assert inputs.shape == (134, 65)
    assert (inputs.sum(axis=1) == 1).all()
    np.testing.assert_array_equal(inputs[:64, :64], np.eye(64))
    assert (inputs[128:, 64] == 1).all()


# --- which columns, where none is named -------------------------------------------------------------------------------


def test_left_open_strings_are_inputs_where_they_are_few(path: Path) -> None:
    parquet(path, age=[1, 2, 3, 4], city=["a", "b", "a", "b"], note=["p", "q", "r", "s"], label=LABELS)

    assert loaded(path).inputs.shape == (4, 3)


def test_left_open_strings_of_more_than_sixty_four_values_are_no_input(path: Path) -> None:
    rows = np.arange(1000)
    parquet(path, few=[f"{row % 64}" for row in rows], many=[f"{row % 65}" for row in rows], label=rows % 2)

    assert loaded(path).inputs.shape == (1000, 64)


def test_strings_that_prove_to_be_many_only_in_a_later_batch_are_no_input(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.parquet.BATCH_ROWS", 50)
    rows = np.arange(1000)
    parquet(path, age=rows, late=[str(max(0, row - 900)) for row in rows], label=rows % 2)

    assert loaded(path).inputs.shape == (1000, 1)


def test_a_table_of_free_text_alone_is_refused_with_its_columns(path: Path) -> None:
    parquet(path, note=list("abcd"), label=LABELS)

    error = refused(UnusableInputs, path)

    assert error.field == "dataset.input"
    assert error.fact == "note hold too many different strings to be categories; name those that are"


def test_gaps_in_free_text_that_is_no_input_do_no_harm(path: Path) -> None:
    parquet(path, age=[1, 2, 3, 4], note=["p", None, "r", "s"], label=LABELS)

    assert loaded(path).inputs[:, 0].tolist() == [1, 2, 3, 4]


# --- missing values ---------------------------------------------------------------------------------------------------


GAPS: list[dict[str, Any]] = [
    {"x": [1.0, None, 3.0, None]},
    {"x": [1.0, float("nan"), 3.0, float("nan")]},
    {"x": ["a", None, "a", None]},
]


@pytest.mark.parametrize("columns", GAPS, ids=["null", "NaN", "category"])
def test_missing_values_are_refused_with_the_way_out(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = jsonl(tmp_path / "data.jsonl", **columns, label=LABELS)

    error = refused(MissingValues, path, format="jsonl")

    assert error.fact.endswith("in 2 rows, first: 1, 3")
    assert "set dataset.missing to impute" in str(error)


def test_a_missing_number_becomes_the_median_and_a_column_tells_where(path: Path) -> None:
    parquet(path, x=[1.0, None, 4.0, float("nan")], y=[5, 6, 7, 8], label=LABELS)

    inputs = loaded(path, missing="impute").inputs

    assert inputs.tolist() == [[1, 0, 5], [2.5, 1, 6], [4, 0, 7], [2.5, 1, 8]]
    assert inputs.dtype == np.float32


def test_whole_numbers_and_truth_values_are_imputed_alike(path: Path) -> None:
    parquet(path, x=[None, 2, 4, 9], y=[True, None, True, False], label=LABELS)

    assert loaded(path, missing="impute").inputs.tolist() == [[4, 1, 1, 0], [2, 0, 1, 1], [4, 0, 1, 0], [9, 0, 0, 0]]


def test_a_missing_category_is_a_category_of_its_own(path: Path) -> None:
    parquet(path, city=["b", None, "a", "a"], label=LABELS)

    assert loaded(path, input="city", missing="impute").inputs.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]


def test_a_column_without_any_value_becomes_zeros(path: Path) -> None:
    parquet(path, x=pa.array([None] * 4, pa.float64()), label=LABELS)

    assert loaded(path, missing="impute").inputs.tolist() == [[0, 1]] * 4


def test_complete_columns_are_the_same_under_either_policy(path: Path) -> None:
    parquet(path, x=[1.0, 2.0, 3.0, 4.0], city=["a", "b", "a", "b"], label=LABELS)

    np.testing.assert_array_equal(loaded(path, missing="impute").inputs, loaded(path).inputs)


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_an_infinity_is_not_missing(path: Path, value: float) -> None:
    parquet(path, x=[1.0, value, None, 4.0], label=LABELS)

    assert refused(MissingValues, path, missing="impute").fact.endswith("in 1 rows, first: 1")


def test_a_missing_label_is_never_imputed(path: Path) -> None:
    parquet(path, x=[1, 2, 3, 4], label=[0, None, 1, 0])

    assert refused(MissingValues, path, missing="impute").field == "dataset.target"


def test_a_list_with_a_gap_is_never_imputed(path: Path) -> None:
    parquet(path, x=[[1.0, 2.0], [None, 3.0], None, [4.0, 5.0]], label=LABELS)

    assert refused(MissingValues, path, input="x", missing="impute").field == "dataset.input"


def test_only_tables_are_imputed(path: Path, tmp_path: Path) -> None:
    parquet(path, image=[image(), image()], label=[0, 1])
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 2)), y=np.array(LABELS))

    for error in (
        refused_on_sight(SettingUnsuited, path, task=IMAGES, missing="impute"),
        refused_on_sight(SettingUnsuited, tmp_path / "data.npz", format="npz", missing="impute"),
    ):
        assert error.field == "dataset.missing"


def test_more_than_memory_allows_is_refused_where_there_is_no_disk(path: Path) -> None:
    cities = [str(row % 50) for row in range(100)]
    parquet(path, x=np.arange(100) * 3, city=cities, label=np.arange(100) % 2)

    refused(DatasetTooLarge, path, limits=Limits(memory_bytes=100 * 51 * 4 - 1))
    assert loaded(path, limits=Limits(memory_bytes=100 * 51 * 4)).inputs.shape == (100, 51)
