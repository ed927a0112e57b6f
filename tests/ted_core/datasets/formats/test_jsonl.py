"""JSON Lines as people have them: with optional fields, blank lines, late surprises and mistakes."""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSpec, DatasetSummary, Dialogues, Samples
from ted_core.datasets.formats import jsonl
from ted_core.datasets.sources.base import Source
from ted_core.errors import (
    DatasetEmpty,
    DatasetUnreadable,
    MissingValues,
    MixedTypes,
    SchemasDiffer,
    TedError,
    UnusableInputs,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, TABLE, TEXTS, lines

ROWS = ['{"text": "good", "label": 1}', '{"label": 0, "text": "bad"}']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, **{"format": "jsonl", "task": TEXTS} | choices)


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "jsonl", "task": TEXTS} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "jsonl", "task": TEXTS} | choices)


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused(error, path, **{"format": "jsonl", "task": TEXTS} | choices)


def table(*paths: Path) -> list[dict[str, Any]]:
    """What the reader makes of the files, as Python values."""
    sources = [Source.at(path) for path in paths]
    schema, _ = jsonl.schema_summary(sources, DatasetSpec(uri="/", task=TEXTS))
    batches = jsonl.batches(sources, schema.names)
    return [row for batch in batches for row in batch.to_pylist()]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_inspection_counts_rows_and_finds_every_column(path: Path) -> None:
    summary = inspected(lines(path, *ROWS, '{"text": "x", "label": 1, "source": "web"}'))

    assert (summary.rows, summary.columns) == (3, ("text", "label", "source"))


def test_blank_lines_are_no_rows_and_the_last_line_needs_no_end(path: Path) -> None:
    path.write_text(f"\n{ROWS[0]}\r\n  \n\n{ROWS[1]}")

    assert inspected(path).rows == 2
    assert table(path) == [{"text": "good", "label": 1}, {"text": "bad", "label": 0}]


def test_a_byte_order_mark_is_passed_over(path: Path) -> None:
    path.write_text("\ufeff" + "\n".join(ROWS))

    assert loaded(path).rows == 2


def test_what_looks_like_a_date_stays_text(path: Path) -> None:
    lines(path, '{"text": "2024-01-31", "label": 0}', '{"text": "2024-02-01T10:00:00Z", "label": 1}')

    assert table(path)[0]["text"] == "2024-01-31"


def test_fields_that_rows_lack_are_null(path: Path) -> None:
    assert table(lines(path, '{"a": 1}', "{}", '{"b": "x"}')) == [
        {"a": 1, "b": None},
        {"a": None, "b": None},
        {"a": None, "b": "x"},
    ]


def test_a_field_may_appear_late_and_turn_out_wider_than_it_began(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.BLOCK_BYTES", 64)
    early = ['{"x": 1, "tags": [], "note": null}'] * 20

    rows = table(lines(path, *early, '{"x": 0.5, "tags": ["a"], "note": "n", "late": {"b": true}}'))

    assert rows[0] == {"x": 1.0, "tags": [], "note": None, "late": None}
    assert rows[-1] == {"x": 0.5, "tags": ["a"], "note": "n", "late": {"b": True}}
    assert len(rows) == 21


def test_keys_are_counted_over_all_of_a_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.BLOCK_BYTES", 4096)
    rows = [{"text": "word", "label": number % 2, "meta": {f"user{number}": 1}} for number in range(1500)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert "1,001 different keys" in refused_on_sight(DatasetUnreadable, path, task="text-classification").fact


def test_whole_numbers_beyond_what_fractions_can_hold_are_refused_with_their_line(path: Path) -> None:
    numbers = [0.5, 2**53, 2**53 + 1, 1]
    lines(path, *(json.dumps({"x": x, "label": row % 2}) for row, x in enumerate(numbers)))

    error = refused(MixedTypes, path, task="tabular-classification")

    assert error.fact.startswith("Line 3 of data.jsonl does not fit the other lines (Integer value 9007199254740993")


def test_turns_may_have_optional_fields(path: Path) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "name": "bot"}]
    samples = loaded(lines(path, json.dumps({"messages": chat})), task=DIALOGUES)

    assert isinstance(samples.inputs, Dialogues)
    assert samples.inputs.turns.to_pylist() == [
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    ]


def test_a_line_may_be_longer_than_a_block(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.BLOCK_BYTES", 10)

    assert [row["text"] for row in table(lines(path, *ROWS))] == ["good", "bad"]


def test_compressed_files_are_read_alike_whatever_they_are_called(path: Path) -> None:
    content = lines(path, *ROWS).read_bytes()
    expected = table(path)
    for number, packed in enumerate((gzip.compress(content[:20]) + gzip.compress(content[20:]), bz2.compress(content))):
        other = path.with_name(f"blob-{number}")
        other.write_bytes(packed)
        assert table(other) == expected


def test_zstandard_is_read_too(path: Path) -> None:
    lines(path, *ROWS)
    packed = path.with_name("data.jsonl.zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as file:
        file.write(path.read_bytes())

    assert table(packed) == table(path)


def test_a_folders_files_are_read_in_name_order_compressed_or_not(tmp_path: Path) -> None:
    lines(tmp_path / "b.jsonl", ROWS[1])
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(ROWS[0].encode()))
    lines(tmp_path / "c.ndjson", ROWS[0])
    lines(tmp_path / "README.md", "about the data")

    assert loaded(tmp_path).labels.tolist() == [1, 0, 1]


def test_a_file_that_changed_is_read_again(path: Path) -> None:
    assert inspected(lines(path, *ROWS)).rows == 2

    assert inspected(lines(path, *ROWS, *ROWS)).rows == 4


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ['{"text": "good"', '{"text": good}', "{'text': 'good'}", '{"text": "good"} {"text": "bad"}', "text,label"],
    ids=["cut", "bare word", "single quotes", "two objects", "CSV"],
)
def test_what_is_no_json_is_refused_by_file_and_line(path: Path, line: str) -> None:
    error = refused_on_sight(DatasetUnreadable, lines(path, *ROWS, "", line))

    assert error.field == "dataset.uri"
    assert error.fact.startswith("Line 4 of data.jsonl is not JSON (")


def test_bytes_that_are_no_utf8_are_refused_by_line(path: Path) -> None:
    path.write_bytes(ROWS[0].encode() + b'\n{"text": "\xff"}\n')

    assert refused_on_sight(DatasetUnreadable, path).fact.startswith("Line 2 of data.jsonl is not JSON (")


@pytest.mark.parametrize(("line", "kind"), [("[1]", "list"), ("null", "NoneType"), ("5", "int"), ('"a"', "str")])
@pytest.mark.parametrize("before", [0, 1])
def test_what_is_no_object_is_refused_by_line(path: Path, line: str, kind: str, before: int) -> None:
    error = refused_on_sight(DatasetUnreadable, lines(path, *ROWS[:before], line))

    assert error.fact == f"Line {before + 1} of data.jsonl is a {kind}; write one object per line"


def test_a_document_of_several_lines_is_refused(path: Path) -> None:
    path.write_text(json.dumps([json.loads(row) for row in ROWS], indent=2))

    assert "Line 1 of data.jsonl" in refused_on_sight(DatasetUnreadable, path).fact


@pytest.mark.parametrize("blocks", [1 << 20, 16], ids=["one block", "many blocks"])
@pytest.mark.parametrize("value", ['"x"', "true", "[1]", "{}", "36893488147419103232"])
def test_values_of_types_that_do_not_go_together_are_refused_by_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, value: str, blocks: int
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.BLOCK_BYTES", blocks)
    lines(path, '{"x": 1, "label": 0}', '{"x": 2, "label": 1}', f'{{"x": {value}, "label": 1}}', '{"x": "y"}')

    error = refused_on_sight(MixedTypes, path, task=TABLE)

    assert error.field == "dataset.uri"
    assert error.fact.startswith("Line 3 of data.jsonl does not fit those before")


def test_numbers_that_no_fraction_can_stand_for_are_refused_with_the_file(path: Path) -> None:
    lines(path, '{"x": 1152921504606846977, "label": 0}', '{"x": 0.5, "label": 1}')

    with pytest.raises((MixedTypes, DatasetUnreadable), match=r"data\.jsonl"):
        loaded(path, task=TABLE)


def test_a_missing_label_is_refused_by_row(path: Path) -> None:
    error = refused(MissingValues, lines(path, *ROWS, '{"text": "x"}'))

    assert error.field == "dataset.target"
    assert error.fact == "Column 'label' is null in 1 rows, first: 2"


def test_a_column_that_is_always_null_is_no_input(path: Path) -> None:
    lines(path, '{"text": null, "label": 0}', '{"text": null, "label": 1}')

    assert "of type null" in refused_on_sight(UnusableInputs, path).fact


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_rows_is_refused(path: Path, content: str) -> None:
    path.write_text(content)

    with pytest.raises((DatasetEmpty, TedError)):
        inspected(path)


def test_a_line_that_does_not_end_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.BLOCK_BYTES", 16)
    monkeypatch.setattr("ted_core.datasets.formats.jsonl.LONGEST_LINE", 100)
    lines(path, '{"text": "' + "x" * 200 + '"}')

    assert refused_on_sight(DatasetUnreadable, path).fact == "A line of data.jsonl is longer than 100 bytes"


def test_a_compressed_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(ROWS * 1000).encode())[:-20])

    assert refused_on_sight(DatasetUnreadable, path).fact.startswith("data.jsonl.gz is damaged")


# --- several files ----------------------------------------------------------------------------------------------------


def test_the_first_files_types_hold_for_all(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", '{"x": 0.5, "y": "z"}')
    lines(tmp_path / "b.jsonl", '{"x": 1}')

    assert table(tmp_path / "a.jsonl", tmp_path / "b.jsonl") == [{"x": 0.5, "y": "z"}, {"x": 1.0, "y": None}]


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ('{"x": 0.5}', "Column 'x' of b.jsonl is double, in the first file int64"),
        ('{"x": "a"}', "Column 'x' of b.jsonl is string, in the first file int64"),
        ('{"x": 1, "y": 2}', "Column 'y' of b.jsonl is int64, in the first file absent"),
    ],
)
def test_a_file_that_the_first_ones_types_do_not_hold_is_refused_by_column(
    tmp_path: Path, line: str, fact: str
) -> None:
    lines(tmp_path / "a.jsonl", '{"x": 1}')
    lines(tmp_path / "b.jsonl", line)

    error = refused_on_sight(SchemasDiffer, tmp_path)

    assert (error.fact, error.field) == (fact, "dataset.uri")


# --- against Python's own reader --------------------------------------------------------------------------------------

SCALARS: list[st.SearchStrategy[Any]] = [st.integers(-(2**40), 2**40), st.text(max_size=5), st.booleans()]


def _values(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


SHAPES = st.recursive(
    st.sampled_from([_values(scalar) for scalar in SCALARS]),
    lambda inner: (
        inner.map(lambda of: _values(st.lists(of, max_size=3)))
        | st.dictionaries(st.sampled_from("pqr"), inner, min_size=1, max_size=2).map(
            lambda fields: _values(st.fixed_dictionaries({}, optional=fields))
        )
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(st.sampled_from("abc"), SHAPES, min_size=1).flatmap(
    lambda fields: st.lists(st.fixed_dictionaries({}, optional=fields), min_size=1, max_size=20)
)


def filled(value: Any, kind: pa.DataType) -> Any:
    """The value with null for every field that it lacks."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [filled(element, kind.value_type) for element in value]
    if pa.types.is_struct(kind):
        return {field.name: filled(value.get(field.name), field.type) for field in kind}
    return value


@given(TABLES)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_objects_hold_is_read_as_python_reads_it(path: Path, rows: list[dict[str, Any]]) -> None:
    lines(path, *map(json.dumps, rows))

    schema, counts = jsonl.schema_summary([Source.at(path)], DatasetSpec(uri="/", task=TEXTS))

    assert counts == (len(rows),)
    assert table(path) == [filled(row, pa.struct(list(schema))) for row in rows]


@given(st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(path: Path, data: st.DataObject) -> None:
    content = bytearray("\n".join(ROWS * 3).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        rows = loaded(path).rows
    except TedError as error:
        assert error.field is not None
    else:
        assert rows in (6, 7)


def test_objects_that_are_keyed_by_ids_are_refused_before_they_take_memory(path: Path) -> None:
    rows = [{"text": "word", "label": number % 2, "meta": {f"user{number}": {"n": 1}}} for number in range(600)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    error = refused_on_sight(DatasetUnreadable, path, task="text-classification")

    assert "By line 501 of" in error.fact
    assert "1,002 different keys" in error.fact
