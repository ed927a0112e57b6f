"""Row numbers, ids, times, lists and free text are no inputs unless they are named; a person is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import DatasetSummary
from ted_core.datasets.budget import Budget, limited
from ted_core.datasets.columns.left_out import RowCounters
from ted_core.datasets.row_locations import RowLocations
from ted_core.errors import SettingUnsuited, UnknownColumn
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TEXTS, image, inspected, loaded, parquet, refused_on_sight

ROWS = 40
LABELS = [0, 1] * (ROWS // 2)
NUMBERS = np.random.default_rng(0).normal(size=ROWS)


def looked_at(path: Path, **choices: Any) -> DatasetSummary:
    """What an inspection finds that looks at the first rows."""
    with limited(Budget(60, 1 << 30, preview_seconds=60)):
        return inspected(path, **choices)


def left_out(summary: DatasetSummary) -> dict[str, str]:
    assert summary.understood
    return {column.name: column.reason for column in summary.understood.left_out}


def codes(warnings: Any) -> list[str]:
    return [warning.code for warning in warnings]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


@pytest.mark.parametrize(
    "index", [None, "when", 5], ids=["a shuffled index", "an index with a name", "an index that goes on from 5"]
)
def test_an_index_of_pandas_is_no_input(path: Path, index: Any) -> None:
    frame = pd.DataFrame({"a": NUMBERS, "label": LABELS})
    if index == "when":
        frame.index = pd.Index(np.arange(ROWS) * 7, name=index)
    elif index is None:
        frame = frame.sample(frac=1, random_state=0)
    else:
        frame.index = pd.Index(np.arange(ROWS) + index)
    frame.to_parquet(path)

    summary = looked_at(path)

    assert summary.understood
    assert summary.understood.inputs == ("a",)
    assert codes(summary.warnings) == ["columns_left_out"]
    assert loaded(path).inputs.shape == (ROWS, 1)


@pytest.mark.parametrize(
    "name",
    ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", "idx", "index", "Row ID", "row_number", "#", "ID", "_id"],
)
def test_names_tell_a_row_number(path: Path, name: str) -> None:
    parquet(path, **{name: np.arange(ROWS)[::-1] * 3}, a=NUMBERS, label=LABELS)

    summary = looked_at(path)

    assert [*left_out(summary)] == [name]
    assert codes(summary.warnings) == codes(loaded(path).warnings) == ["columns_left_out"]
    assert loaded(path, input=[name, "a"]).inputs.shape == (ROWS, 2)
    assert not inspected(path, input=[name, "a"]).warnings


@pytest.mark.parametrize("name", ["index", "idx", "#"])
def test_fractions_are_no_row_numbers_whatever_their_name(path: Path, name: str) -> None:
    assert loaded(parquet(path, **{name: NUMBERS}, label=LABELS)).inputs.shape == (ROWS, 1)


@pytest.mark.parametrize("start", [0, 1])
def test_what_counts_the_rows_is_no_input(path: Path, start: int) -> None:
    parquet(path, n=np.arange(ROWS) + start, a=NUMBERS, label=LABELS)

    samples, summary = loaded(path), looked_at(path)

    assert samples.inputs.shape == (ROWS, 1)
    assert left_out(summary) == {"n": "counts the rows"}
    assert summary.warnings == samples.warnings
    assert "'n' counts the rows" in samples.warnings[0].message


def test_what_counts_the_rows_of_each_file_is_no_input(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        parquet(folder / f"{part}.parquet", n=np.arange(ROWS), a=NUMBERS, label=LABELS)

    assert loaded(folder).inputs.shape == (3 * ROWS, 1)


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(ROWS) * 2,
        np.arange(ROWS)[::-1],
        [*range(ROWS - 1), 0],
        np.arange(1990, 1990 + ROWS),
        np.zeros(ROWS, int),
        np.full(ROWS, np.iinfo(np.int64).min),
    ],
)
def test_other_whole_numbers_are_inputs(path: Path, numbers: Any) -> None:
    assert loaded(parquet(path, n=numbers, a=NUMBERS, label=LABELS)).inputs.shape == (ROWS, 2)


def test_a_counter_without_company_is_an_input_and_a_warning(path: Path) -> None:
    samples = loaded(parquet(path, n=np.arange(ROWS), label=LABELS))

    assert samples.inputs.shape == (ROWS, 1)
    assert codes(samples.warnings) == ["input_counts_rows"]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64])
def test_counters_are_the_same_in_batches_of_any_size(kind: type) -> None:
    numbers = np.concatenate([np.arange(60), np.arange(1, 41), np.arange(20)]).astype(kind)
    for step in (1, 7, 60, 200):
        counters = RowCounters(["n", "m"], RowLocations(("a", "b", "c"), (60, 40, 20)))
        for start in range(0, 120, step):
            part = numbers[start : start + step]
            counters.add(pa.record_batch({"n": part, "m": part + 1 * (start > 100)}))

        assert counters.names() == (["n"] if step < 60 else ["n", "m"])


# --- other columns ----------------------------------------------------------------------------------------------------


def test_columns_that_somebody_might_expect_are_named_with_the_reason(path: Path) -> None:
    notes = [f"note {row}" for row in range(ROWS)]
    days = pa.array(range(ROWS), pa.timestamp("s"))
    parquet(
        path, a=NUMBERS, id=range(ROWS), when=days, e=[[1.0, 2.0]] * ROWS, note=notes, s=[{"t": 1}] * ROWS, label=LABELS
    )

    samples = loaded(path)

    message = " ".join(warning.message for warning in samples.warnings)
    assert samples.inputs.shape == (ROWS, 1)
    assert all(f"'{name}' " in message for name in ("when", "e", "note"))
    assert "'id'" not in message
    assert set(left_out(inspected(path))) == {"id", "when", "e", "s"}


def test_free_text_is_seen_in_the_first_rows(path: Path) -> None:
    notes = [f"note {row}" for row in range(600)]
    parquet(path, a=np.arange(600.0), note=notes, label=[0, 1] * 300)

    summary, samples = looked_at(path), loaded(path)

    assert summary.understood
    assert summary.understood.inputs == ("a",)
    assert summary.warnings == samples.warnings


# --- exclude ----------------------------------------------------------------------------------------------------------


def test_what_is_excluded_is_no_input_and_no_warning(path: Path) -> None:
    parquet(path, n=np.arange(ROWS), a=NUMBERS, b=NUMBERS, id=range(ROWS), label=LABELS)

    samples = loaded(path, exclude=["n", "b", "id"])

    assert samples.inputs.shape == (ROWS, 1)
    assert samples.sample_key is None
    assert not samples.warnings
    assert left_out(inspected(path, exclude=["b"]))["b"] == "is excluded by the request"


def test_an_id_may_be_excluded_beside_any_input(path: Path) -> None:
    parquet(path, image=[image(0)] * ROWS, text=["a"] * ROWS, a=NUMBERS, id=["x"] * ROWS, label=LABELS)

    for choices in ({"task": TEXTS}, {"task": IMAGES}, {"input": "a"}):
        assert codes(loaded(path, **choices).warnings)[-1] == "keys_not_unique"
        assert "keys_not_unique" not in codes(loaded(path, exclude=["id"], **choices).warnings)


def test_an_unknown_column_cannot_be_excluded(path: Path) -> None:
    parquet(path, a=NUMBERS, label=LABELS)

    assert refused_on_sight(UnknownColumn, path, exclude=["b"]).field == "dataset.exclude"


@pytest.mark.parametrize(
    "choices",
    [
        {"exclude": ["label"]},
        {"exclude": ["a"], "input": "a"},
        {"exclude": ["b"], "target": "b"},
        {"exclude": ["b"], "input": "a"},
        {"exclude": ["b"], "task": TEXTS},
        {"exclude": ["b"], "task": IMAGES},
        {"exclude": ["prompt"], "task": DIALOGUES, "input": ["prompt", "response"]},
    ],
)
def test_an_exclusion_that_means_nothing_is_refused(path: Path, choices: dict[str, Any]) -> None:
    texts = ["a"] * ROWS
    parquet(path, a=NUMBERS, b=LABELS, text=texts, prompt=texts, response=texts, image=[image(0)] * ROWS, label=LABELS)

    assert refused_on_sight(SettingUnsuited, path, **choices).field == "dataset.exclude"


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}]}'])
def test_metadata_of_pandas_that_say_something_else_are_passed_over(path: Path, metadata: bytes) -> None:
    table = pa.table({"a": NUMBERS, "label": LABELS}).replace_schema_metadata({b"pandas": metadata})
    pq.write_table(table, path)

    assert loaded(path).inputs.shape == (ROWS, 1)
