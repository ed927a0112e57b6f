"""Rows that have several classes, or none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from ted_core.datasets import Limits
from ted_core.errors import (
    DatasetTooLarge,
    MissingValues,
    SingleClass,
    UnknownColumn,
    UnusableInputs,
    UnusableLabels,
)
from tests.ted_core.datasets.files import IMAGES, arrow_stream, image, loaded, parquet, refused, refused_on_sight, spec

NUMBERS = [1.0, 2.0, 3.0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


@pytest.mark.parametrize(
    ("lists", "classes"),
    [
        ([["b", "a"], [], ["b", "b"]], ("a", "b")),
        ([[10, 9], [], [10]], ("9", "10")),
        (pa.array([["b", "a"], [], ["b"]], pa.large_list(pa.large_string())), ("a", "b")),
        (pa.array([["b", "a"], [], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), ("a", "b")),
    ],
    ids=["strings", "integers", "large types", "dictionary"],
)
def test_lists_of_classes_become_zeros_and_ones(path: Path, lists: Any, classes: tuple[str, ...]) -> None:
    samples = loaded(parquet(path, x=NUMBERS, label=lists))

    assert samples.multi_label
    assert samples.classes == classes
    assert samples.labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert samples.labels.dtype == np.float32


def test_several_columns_are_classes_in_the_order_they_are_named(path: Path) -> None:
    parquet(path, x=NUMBERS, cat=[1, 0, 1], dog=[True, False, False], emu=[0.0, 1.0, 0.0])

    samples = loaded(path, input="x", target=["dog", "cat", "emu"])

    assert samples.classes == ("dog", "cat", "emu")
    assert samples.labels.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_columns_that_are_classes_are_no_inputs(path: Path) -> None:
    parquet(path, x=NUMBERS, cat=[1, 0, 1], dog=[0, 0, 1])

    assert loaded(path, target=["cat", "dog"]).inputs.shape == (3, 1)
    assert refused_on_sight(UnusableInputs, path, input=["x", "dog"], target=["cat", "dog"]).field == "dataset.input"


def test_an_undecodable_image_takes_its_classes_along(path: Path) -> None:
    parquet(path, image=[image(1), b"", image(2)], label=[["a"], ["b"], ["a", "b"]])

    samples = loaded(path, task=IMAGES, limits=Limits(max_undecodable=0.5))

    assert samples.row_index.tolist() == [0, 2]
    assert samples.labels.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("value", [2, 0.5, -1])
def test_other_numbers_than_0_and_1_are_refused_by_row(path: Path, value: float) -> None:
    parquet(path, x=NUMBERS, cat=[1, 0, 1], dog=[0, value, 1])

    error = refused(UnusableLabels, path, input="x", target=["cat", "dog"])

    assert error.field == "dataset.target"
    assert error.fact == "Column 'dog' is neither 0 nor 1 in 1 rows, first: 1"


def test_a_null_among_the_flags_is_refused(path: Path) -> None:
    parquet(path, x=NUMBERS, cat=[1, 0, 1], dog=[0, None, 1])

    assert refused_on_sight(MissingValues, path, input="x", target=["cat", "dog"]).field == "dataset.target"


def test_a_row_without_a_list_is_refused_and_an_empty_list_is_not(path: Path) -> None:
    parquet(path, x=NUMBERS, label=[["a"], None, ["b"]])

    error = refused(MissingValues, path)

    assert error.field == "dataset.target"
    assert error.fact == "Column 'label' is null in 1 rows, first: 1"


def test_a_null_in_a_list_is_refused_by_row(path: Path) -> None:
    parquet(path, x=NUMBERS, label=[["a"], [], ["b", None]])

    assert refused(UnusableLabels, path).fact == "Column 'label' lists a null in 1 rows, first: 2"


def test_lists_of_a_single_class_are_refused(path: Path) -> None:
    assert refused(SingleClass, parquet(path, x=NUMBERS, label=[["a"], [], ["a"]])).field == "dataset.target"


def test_text_is_no_flag(path: Path) -> None:
    parquet(path, x=NUMBERS, cat=["yes", "no", "no"], dog=[0, 0, 1])

    assert refused_on_sight(UnusableLabels, path, input="x", target=["cat", "dog"]).field == "dataset.target"


def test_an_unknown_class_column_is_refused(path: Path) -> None:
    parquet(path, x=NUMBERS, cat=[0, 1, 0])

    assert refused_on_sight(UnknownColumn, path, target=["cat", "dog"]).field == "dataset.target"


def test_a_list_of_one_target_is_refused(path: Path) -> None:
    with pytest.raises(ValidationError, match="at least 2 items"):
        spec(path, target=["label"])


def test_more_classes_than_memory_allows_are_refused(path: Path) -> None:
    parquet(path, x=np.arange(100), label=[[row] for row in range(100)])

    refused(DatasetTooLarge, path, limits=Limits(memory_bytes=100 * 100 * 4 - 1))
    assert loaded(path, limits=Limits(memory_bytes=100 * 100 * 4)).labels.shape == (100, 100)


# --- vectors of 0 and 1 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vectors",
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[True, False], [False, True], [True, False], [True, True]],
        [["0", "1"], ["1", "0"], ["1", "1"], ["0", "0"]],
        pa.array([[1, 0], [0, 1], [0, 0], [1, 1]], pa.list_(pa.int8(), 2)),
    ],
)
def test_lists_of_0_and_1_for_every_class_are_refused_with_what_lists_mean(tmp_path: Path, vectors: Any) -> None:
    path = parquet(tmp_path / "data.parquet", x=[0.5, 1.5, 2.5, 3.5], label=vectors)

    error = refused(UnusableLabels, path)

    assert error.field == "dataset.target"
    assert "lists name the classes of a row" in error.fact


def test_a_list_of_fractions_is_refused_with_what_lists_mean(tmp_path: Path) -> None:
    path = parquet(tmp_path / "data.parquet", x=[0.5, 1.5], label=[[0.0, 1.0], [1.0, 0.0]])

    assert "lists name the classes of a row" in refused(UnusableLabels, path).fact


@pytest.mark.parametrize("lists", [[[0], [1], [0], [1]], [[0, 1], [1], [], [0]], [[0, 1], [2, 1], [0, 2], [1, 0]]])
def test_lists_of_classes_may_look_like_that(tmp_path: Path, lists: Any) -> None:
    path = parquet(tmp_path / "data.parquet", x=[0.5, 1.5, 2.5, 3.5], label=lists)

    assert [np.flatnonzero(row).tolist() for row in loaded(path).labels] == [sorted(classes) for classes in lists]


# --- negative codes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-1, -100])
@pytest.mark.parametrize("target", [[0, 1, 2, "code"], [[0], [1, 2], [], ["code", 0]]])
def test_a_lone_negative_class_is_a_warning(tmp_path: Path, code: int, target: list[Any]) -> None:
    label = json.loads(json.dumps(target).replace('"code"', str(code)))
    path = parquet(tmp_path / "data.parquet", x=[0.5, 1.5, 2.5, 3.5], label=label)

    (warning,) = loaded(path).warnings

    assert (warning.code, warning.field) == ("negative_label", "dataset.target")
    assert f"{code} is the only negative class of 'label', beside 3 others, in 1 rows, first: 3" in warning.message


@pytest.mark.parametrize("labels", [[-1, 1, -1, 1], [-2, -1, 0, 1], [0, 1, 2, 3], ["-", "a", "-1", "b"]])
def test_other_classes_are_no_warning(tmp_path: Path, labels: list[Any]) -> None:
    assert not loaded(parquet(tmp_path / "data.parquet", x=[0.5, 1.5, 2.5, 3.5], label=labels)).warnings


def test_a_null_in_a_dictionary_inside_of_a_list_is_refused(tmp_path: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 2]), pa.array(["a", "b", None]))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), values)

    error = refused(UnusableLabels, arrow_stream(tmp_path / "data.arrow", x=[0.5, 1.5], label=lists))

    assert "lists a null in 1 rows, first: 1" in error.fact
