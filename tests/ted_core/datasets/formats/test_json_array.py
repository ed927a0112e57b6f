"""JSON arrays of objects: read one after another, and refused with what would be right."""

import bz2
import gzip
import json
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSpec, DatasetSummary, Dialogues, Samples
from ted_core.datasets.formats.json_array import ARRAY
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetEmpty, DatasetUnreadable, MixedTypes, TedError, UnknownColumn, UnusableInputs
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, TABLE, TEXTS
from tests.ted_core.datasets.formats.test_jsonl import TABLES, filled

ROWS = [{"text": "good", "label": 1}, {"label": 0, "text": "bad"}, {"text": "naïve 🦊", "label": 1}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.json"


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, **{"format": "json", "task": TEXTS} | choices)


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "json", "task": TEXTS} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "json", "task": TEXTS} | choices)


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


table = partial(files.objects, ARRAY)


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_objects_are_read_however_they_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, block: int
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.text.json_text.BLOCK_BYTES", block)
    written(path, "\ufeff \n" + json.dumps(ROWS, indent=indent, ensure_ascii=False) + "\n ")

    assert table(path) == ROWS
    assert inspected(path).rows == 3


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_compressed_files_are_read_alike(path: Path, compress: Callable[[bytes], bytes]) -> None:
    packed = path.with_name("data.json.packed")
    packed.write_bytes(compress(json.dumps(ROWS).encode()))

    assert table(packed) == ROWS


def test_several_files_are_one_dataset(tmp_path: Path) -> None:
    written(tmp_path / "a.json", json.dumps([{"x": 1, "label": 0}]))
    written(tmp_path / "b.json", "[]")
    written(tmp_path / "c.json", json.dumps([{"x": 0.5, "label": 1}]))

    assert loaded(tmp_path, task=TABLE).inputs.tolist() == [[1], [0.5]]


def test_instructions_are_read_as_alpaca_has_them(path: Path) -> None:
    rows = [
        {"instruction": "Add.", "input": "1 + 1", "output": "2"},
        {"instruction": "Hi.", "input": "", "output": "Ho"},
    ]

    inputs = loaded(written(path, json.dumps(rows)), task=DIALOGUES, format=None).inputs

    assert isinstance(inputs, Dialogues)
    assert [turns[0]["content"] for turns in inputs.turns.to_pylist()] == ["Add.\n\n1 + 1", "Hi."]


def test_no_more_than_some_of_a_file_is_in_memory(path: Path) -> None:
    rows = [{"text": f"{number} " * 500, "label": number % 2} for number in range(20_000)]
    size = path.write_text(json.dumps(rows))
    del rows
    tracemalloc.start()

    assert inspected(path).rows == 20_000

    assert tracemalloc.get_traced_memory()[1] < size / 2
    tracemalloc.stop()


def test_an_object_may_be_longer_than_a_block_and_takes_no_longer_for_it(path: Path) -> None:
    written(path, json.dumps([{"text": "long " * 2_000_000, "label": 0}, {"text": "b", "label": 1}]))
    start = time.process_time()

    assert loaded(path).rows == 2
    assert time.process_time() - start < 5


@given(TABLES)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_python_writes_is_read_the_same(path: Path, rows: list[dict[str, Any]]) -> None:
    rows = [*rows, {}]  # a single row might be taken for a document of all rows
    path.write_text(json.dumps(rows))

    schema, counts = ARRAY.schema_summary([Source.at(path)], DatasetSpec(uri="/", task=TEXTS))

    assert counts == (len(rows),)
    fields = {field.name: field.type for field in schema}
    assert table(path) == [{name: filled(row.get(name), kind) for name, kind in fields.items()} for row in rows]


# --- what is refused --------------------------------------------------------------------------------------------------


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\n".join(map(json.dumps, ROWS)), "holds one object after another; dataset.format jsonl reads that"),
        (json.dumps({"version": 1, "data": ROWS}, indent=1), "is one object, whose 'data' holds the rows"),
        (json.dumps(columns_of(ROWS)), "is one object of columns; write an array of rows, as pandas does with orient="),
        (json.dumps({"text": {"0": "a"}, "label": {"0": 1}}), "is one object of columns"),
        (json.dumps(ROWS[0], indent=2), "is one object; write an array of objects"),
        ("", "is empty; write an array of objects"),
        ("text,label\na,1\n", "begins with 'text,label\\na,1\\n', which is no array"),
    ],
    ids=["lines", "data", "columns", "pandas", "one", "nothing", "csv"],
)
def test_what_is_no_array_is_refused_with_what_it_is(path: Path, content: str, says: str) -> None:
    error = refused_on_sight(DatasetUnreadable, written(path, content))

    assert says in error.fact
    assert "data.json" in error.fact


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps(ROWS, indent=1)[:-1], "Line 14 of data.json is not JSON (the file ends within the array)"),
        (json.dumps(ROWS, indent=1)[:-9], "perhaps the file was cut short"),
        (
            json.dumps(ROWS, indent=1).replace('"label": 0', '"label" 0'),
            "Line 7 of data.json is not JSON (Expecting ':'",
        ),
        (json.dumps(ROWS) + "[]", "is not JSON ('[' follows the array)"),
        (json.dumps(ROWS)[:-1] + ",]", "is not JSON (Expecting value"),
        ("[1, 2]", "Element 1 of the array in data.json is of type int; write objects only"),
        ('[{"text": "\\ud83d", "label": 1}]', "Object 1 of data.json holds half of a character in column 'text'"),
        ("[" * 100_000, "is not JSON"),
        ('[{"x": ' + "1" * 100_000 + "}]", "is not JSON"),
    ],
    ids=["cut", "cut inside", "colon", "two", "comma", "numbers", "surrogate", "deep", "digits"],
)
def test_a_mistake_is_refused_where_it_is(path: Path, content: str, says: str) -> None:
    assert says in refused_on_sight(DatasetUnreadable, written(path, content)).fact


def test_an_empty_array_is_an_empty_dataset(path: Path) -> None:
    assert refused_on_sight(DatasetEmpty, written(path, " [ ] ")).field == "dataset.uri"


def test_values_that_do_not_go_together_are_refused_by_object(path: Path) -> None:
    written(path, json.dumps([{"x": 1, "label": 0}, {"x": "y", "label": 1}]))

    assert refused_on_sight(MixedTypes, path, task=TABLE).fact.startswith("Object 2 of data.json does not fit")


@given(st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(path: Path, data: st.DataObject) -> None:
    content = bytearray(json.dumps(ROWS * 2, indent=1).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        rows = loaded(path).rows
    except TedError as error:
        assert error.field is not None
    else:
        assert rows == 6


# --- formats that are left out or wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"), [(json.dumps(ROWS, indent=1), "json"), ("\n".join(map(json.dumps, ROWS)), "jsonl")]
)
def test_the_content_tells_arrays_from_lines(path: Path, content: str, expected: str) -> None:
    summary = inspected(written(path, content), format=None)

    assert summary.understood is not None
    assert (summary.understood.format, summary.rows) == (expected, 3)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (json.dumps({"data": ROWS}), UnknownColumn, "the only row is an object whose 'data' holds objects"),
        (json.dumps(columns_of(ROWS)), UnusableInputs, "the only row is an object of columns"),
        (json.dumps({"data": ROWS}, indent=1), DatasetUnreadable, "is one object, whose 'data' holds the rows"),
    ],
)
def test_a_document_read_as_lines_is_refused_with_what_it_is(
    path: Path, content: str, error: type[TedError], says: str
) -> None:
    assert says in refused_on_sight(error, written(path, content), format="jsonl").fact
