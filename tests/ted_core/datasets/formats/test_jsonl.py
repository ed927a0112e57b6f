"""JSON Lines as people have them: with optional fields, blank lines, late surprises and mistakes."""

import bz2
import gzip
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSpec, DatasetSummary, Dialogues, Samples
from ted_core.datasets.formats import jsonl
from ted_core.datasets.formats.text_scan import MOST_COLUMNS
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


table = partial(files.objects, jsonl.LINES)


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

    assert "1,001 different keys" in refused_on_sight(DatasetUnreadable, path, input="meta").fact


def test_whole_numbers_beyond_what_fractions_can_hold_are_refused_with_their_line(path: Path) -> None:
    numbers = [0.5, 2**53, 2**53 + 1, 1]
    lines(path, *(json.dumps({"x": x, "label": row % 2}) for row, x in enumerate(numbers)))

    error = refused(MixedTypes, path, task="tabular-classification")

    assert error.fact.startswith("Line 3 of data.jsonl does not fit the other rows (Integer value 9007199254740993")


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


@pytest.mark.parametrize(("line", "kind"), [("null", "NoneType"), ("5", "int"), ('"a"', "str")])
@pytest.mark.parametrize("before", [0, 1])
def test_what_is_no_object_is_refused_by_line(path: Path, line: str, kind: str, before: int) -> None:
    error = refused_on_sight(DatasetUnreadable, lines(path, *ROWS[:before], line))

    assert error.fact == f"Line {before + 1} of data.jsonl is a {kind}; write one object per line"


def test_a_document_of_several_lines_is_refused(path: Path) -> None:
    path.write_text(json.dumps([json.loads(row) for row in ROWS], indent=2))

    error = refused_on_sight(DatasetUnreadable, path)

    assert error.fact == "data.jsonl is not JSON Lines but a JSON array; set dataset.format to json"
    assert error.field == "dataset.format"


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


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_numbers_widen_over_all_files_whatever_their_order(tmp_path: Path, order: str) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in order]
    lines(files[0], '{"x": 0.5, "y": "z"}')
    lines(files[1], '{"x": 1, "z": [{"k": 1}]}')

    rows = sorted(table(*sorted(files)), key=lambda row: row["x"])

    assert rows == [{"x": 0.5, "y": "z", "z": None}, {"x": 1.0, "y": None, "z": [{"k": 1}]}]


@pytest.mark.parametrize("empty", ["", "\n", '{"text": null, "label": null}\n', "{}\n"])
@pytest.mark.parametrize("position", [0, 2])
def test_a_file_without_values_decides_no_type(tmp_path: Path, empty: str, position: int) -> None:
    lines(tmp_path / "part-1.jsonl", *ROWS)
    (tmp_path / f"part-{position}.jsonl").write_text(empty)

    summary = inspected(tmp_path)

    assert summary.rows == 2 + ("{" in empty)
    assert {*summary.columns} == {"text", "label"}


@pytest.mark.parametrize(("kind", "value"), [("string", '"a"'), ("list<item: int64>", "[1]"), ("bool", "true")])
def test_types_that_do_not_go_together_are_refused_with_both_files_if_they_are_read(
    tmp_path: Path, kind: str, value: str
) -> None:
    lines(tmp_path / "a.jsonl", '{"x": 1, "text": "a", "label": 1}', '{"text": "b", "label": 0}')
    lines(tmp_path / "b.jsonl", f'{{"x": {value}, "text": "c", "label": 1}}')

    error = refused_on_sight(SchemasDiffer, tmp_path, task=TABLE, input="x")

    assert error.field == "dataset.uri"
    assert error.fact == f"Column 'x' is {kind} in b.jsonl, but int64 in a.jsonl"
    assert loaded(tmp_path).rows == 3


# --- columns that nobody reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [["1", '"x"'], ['[1, "x"]', "2"], ["{}", "[]"], ["9" * 30, "1"], ["null", "[[], 1]"]]
)
def test_a_column_that_nobody_reads_may_hold_anything(path: Path, values: list[str]) -> None:
    records = [f'{{"other": {value}, {row[1:]}' for value, row in zip(values, ROWS, strict=True)]

    assert loaded(lines(path, *records)).rows == 2
    assert refused(MixedTypes, path, task=TABLE, input="other").fact.startswith("Line ")


def test_tools_of_mixed_types_do_not_refuse_a_chat(path: Path) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    tools: list[Any] = ["search", [], [{"name": "search", "parameters": {"query": 1}}], {"name": "x"}, 5]

    samples = loaded(lines(path, *(json.dumps({"tools": tool, "messages": chat}) for tool in tools)), task=DIALOGUES)

    assert samples.rows == 5


def test_objects_keyed_by_ids_do_not_refuse_the_columns_beside_them(path: Path) -> None:
    rows = [{"text": "word", "label": number % 2, "meta": {f"user{number}": 1}} for number in range(5000)]
    lines(path, *map(json.dumps, rows))

    assert loaded(path).rows == 5000


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
    rows = [*rows, {}]  # a single row might be taken for a document of all rows
    lines(path, *map(json.dumps, rows))

    schema, counts = jsonl.LINES.schema_summary([Source.at(path)], DatasetSpec(uri="/", task=TEXTS))

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

    error = refused_on_sight(DatasetUnreadable, path, input="meta")

    assert "By line 501 of" in error.fact
    assert "1,002 different keys" in error.fact


# --- what would take all memory or time -------------------------------------------------------------------------------


def test_very_many_columns_are_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "wide.jsonl", json.dumps(dict.fromkeys(map(str, range(MOST_COLUMNS + 1)), 1)))

    assert refused_on_sight(DatasetUnreadable, path).fact == "wide.jsonl has more than 50,000 columns"


def test_lines_with_keys_of_their_own_are_taken_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.text.json_objects.MOST_VALUES", 100)
    path = lines(tmp_path / "sparse.jsonl", *(f'{{"c{number}": 1, "label": {number % 2}}}' for number in range(50)))

    sizes = [
        len(batch)
        for batch in jsonl.LINES.batches(
            [Source.at(path)], [f"c{number}" for number in range(50)], DatasetSpec(uri="/", task=TEXTS)
        )
    ]

    assert inspected(path, task=TABLE).rows == sum(sizes) == 50
    assert set(sizes) == {1}


def test_the_line_that_does_not_fit_is_named_without_looking_at_each(tmp_path: Path) -> None:
    fitting = [f'{{"x": {number}, "y": [{number}.5]}}' for number in range(5000)]
    path = lines(tmp_path / "mixed.jsonl", *fitting, '{"x": "word"}')
    start = time.process_time()

    assert "Line 5001 of mixed.jsonl" in refused_on_sight(MixedTypes, path, task=TABLE, target="x", input="y").fact
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "value", ["[" * 100_000, '{"a":' * 100_000, "1" * 100_000, "1e" + "9" * 1000, "-" + "9" * 4000]
)
def test_values_that_no_parser_likes_are_refused(tmp_path: Path, value: str) -> None:
    path = lines(tmp_path / "odd.jsonl", f'{{"x": {value}, "label": 1}}')

    with pytest.raises(TedError):
        loaded(path)
