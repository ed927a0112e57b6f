"""Texts: a column of them, or two that belong together."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ted_core.datasets import Samples, Texts
from ted_core.errors import (
    DatasetUnreadable,
    MissingValues,
    TedError,
    UnknownColumn,
    UnusableInputs,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import TEXTS, parquet

WORDS = ["one", "two", "", "four"]
LABELS = [0, 1, 0, 1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"task": TEXTS} | choices)


def parts(samples: Samples) -> list[list[str]]:
    assert isinstance(samples.inputs, Texts)
    return [part.to_pylist() for part in samples.inputs.parts]


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused(error, path, **{"task": TEXTS} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"task": TEXTS} | choices)


@pytest.mark.parametrize("name", ["text", "sentence"])
def test_texts_are_found_under_their_usual_names(path: Path, name: str) -> None:
    samples = loaded(parquet(path, **{name: WORDS}, other=WORDS, label=LABELS))

    assert parts(samples) == [WORDS]
    assert (samples.kind, samples.labels.tolist(), samples.classes) == ("text", LABELS, ("0", "1"))


def test_text_comes_before_sentence(path: Path) -> None:
    parquet(path, sentence=WORDS[::-1], text=WORDS, label=LABELS)

    assert parts(loaded(path)) == [WORDS]


def test_two_columns_are_a_pair_in_the_order_they_are_named(path: Path) -> None:
    parquet(path, premise=WORDS, hypothesis=WORDS[::-1], label=LABELS)

    assert parts(loaded(path, input=["premise", "hypothesis"])) == [WORDS, WORDS[::-1]]
    assert parts(loaded(path, input=["hypothesis"])) == [WORDS[::-1]]


def test_texts_longer_than_a_batch_stay_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.parquet.BATCH_ROWS", 3)
    words = [str(row) for row in range(10)]

    assert parts(loaded(parquet(path, text=words, label=[0, 1] * 5))) == [words]


def test_without_a_usual_name_the_column_has_to_be_named(path: Path) -> None:
    parquet(path, review=WORDS, label=LABELS)

    assert refused_on_sight(UnknownColumn, path).fact == "'text' is not among review, label"


def test_more_than_two_texts_are_refused(path: Path) -> None:
    parquet(path, a=WORDS, b=WORDS, c=WORDS, label=LABELS)

    assert refused_on_sight(UnusableInputs, path, input=["a", "b", "c"]).field == "dataset.input"


@pytest.mark.parametrize("column", [[1, 2, 3, 4], [b"a"] * 4, [["a"]] * 4], ids=["numbers", "bytes", "lists"])
def test_what_is_no_text_is_refused(path: Path, column: Any) -> None:
    assert "'text'" in refused_on_sight(UnusableInputs, parquet(path, text=column, label=LABELS)).fact


def test_a_null_is_no_text(path: Path) -> None:
    parquet(path, text=["a", None, "b", "c"], label=LABELS)

    assert refused_on_sight(MissingValues, path).field == "dataset.input"


def test_a_null_is_named_by_file_and_row_where_there_are_several_files(tmp_path: Path) -> None:
    files.jsonl(tmp_path / "part-0.jsonl", text=WORDS, label=LABELS)
    files.jsonl(tmp_path / "part-1.jsonl", text=["a", "b", None, "d"], label=LABELS)

    error = refused(MissingValues, tmp_path / "part-*.jsonl", format="jsonl")

    assert error.fact == "Column 'text' is null in 1 rows, first: 2 of part-1.jsonl"


def test_bytes_that_are_no_utf8_are_refused_by_row(path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xff\xfe")]
    )
    parquet(path, text=broken, label=[0, 1])

    error = refused(DatasetUnreadable, path)

    assert error.fact.startswith("From row 0 on, 2 rows are damaged")
    assert "UTF8" in error.fact
