"""CSV and TSV as people have them: quoted, padded, with gaps and mistakes."""

import csv
import gzip
import io
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSpec, DatasetSummary, Samples, identify
from ted_core.datasets.formats import csv as delimited
from ted_core.datasets.formats.text_scan import MOST_COLUMNS
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetEmpty, DatasetUnreadable, MissingValues, SchemasDiffer, TedError, UnusableLabels
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import TEXTS, lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, **{"format": "csv"} | choices)


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "csv"} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "csv"} | choices)


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused(error, path, **{"format": "csv"} | choices)


def columns(*paths: Path) -> dict[str, list[Any]]:
    """What the reader makes of the files, as Python values."""
    sources = [Source.at(path) for path in paths]
    spec = DatasetSpec(uri="/", task=TEXTS)
    schema, _ = delimited.schema_summary(sources, spec)
    rows = [row for batch in delimited.batches(sources, schema.names, spec) for row in batch.to_pylist()]
    return {name: [row[name] for row in rows] for name in schema.names}


def types(path: Path) -> dict[str, str]:
    schema, _ = delimited.schema_summary([Source.at(path)], DatasetSpec(uri="/", task=TEXTS))
    return {field.name: str(field.type) for field in schema}


# --- what is read -----------------------------------------------------------------------------------------------------


def test_inspection_tells_rows_and_columns(path: Path) -> None:
    summary = inspected(lines(path, "x,label", "1,a", "2,b", ""))

    assert (summary.rows, summary.columns) == (2, ("x", "label"))


def test_every_column_has_the_narrowest_type_that_holds_it(path: Path) -> None:
    lines(path, "whole,number,truth,word,none", "1,1,true,1,", "-2,.5,FALSE,x,", "003,1e3,True,true,")

    assert types(path) == {"whole": "int64", "number": "double", "truth": "bool", "word": "string", "none": "null"}


def test_a_type_widens_wherever_the_file_asks_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.csv.BLOCK_BYTES", 64)
    early = ["1,1,true,,1"] * 50

    lines(path, "a,b,c,d,e", *early, "2,0.5,no,7,true")

    assert types(path) == {"a": "int64", "b": "double", "c": "string", "d": "int64", "e": "string"}
    assert [values[0] for values in columns(path).values() if values] == [1, 1.0, "true", None, "1"]
    assert [values[-1] for values in columns(path).values() if values] == [2, 0.5, "no", 7, "true"]


def test_blanks_around_numbers_and_classes_do_not_matter(path: Path) -> None:
    lines(path, "x, label", " 1 ,a", "2 , b", "3,a ")

    assert columns(path) == {"x": [1, 2, 3], "label": ["a", "b", "a"]}


def test_quoted_values_hold_separators_quotes_and_line_breaks(path: Path) -> None:
    path.write_text('text,label\n"a, ""b""\nc",0\r\n"\td",1\n')

    assert columns(path)["text"] == ['a, "b"\nc', "\td"]


def test_tabs_separate_where_the_name_says_so(tmp_path: Path) -> None:
    lines(tmp_path / "data.tsv", "text\tlabel", "a, b\t0", "c\t1")
    (tmp_path / "more.TSV.gz").write_bytes(gzip.compress(b"text\tlabel\nd, e\t1\n"))

    assert columns(tmp_path / "data.tsv", tmp_path / "more.TSV.gz")["text"] == ["a, b", "c", "d, e"]


def test_a_link_is_what_its_own_name_says(tmp_path: Path) -> None:
    lines(tmp_path / "blob", "text\tlabel", "a, b\t0", "c\t1")
    (tmp_path / "data.tsv").symlink_to(tmp_path / "blob")

    identity = identify(files.spec(tmp_path / "data.tsv", format="csv", task=TEXTS), roots=[tmp_path])

    assert [shard.name for shard in identity.shards] == ["data.tsv"]
    assert loaded(tmp_path / "data.tsv", task=TEXTS).classes == ("0", "1")


@pytest.mark.parametrize("spelling", ["0x10", "0X1f"])
def test_hexadecimal_numbers_are_words(path: Path, spelling: str) -> None:
    lines(path, "x,label", "1,a", f"{spelling},b")

    assert columns(path)["x"] == ["1", spelling]


def test_a_byte_order_mark_is_passed_over(path: Path) -> None:
    path.write_text("\ufefftext,label\na,0\n")

    assert columns(path)["text"] == ["a"]


@pytest.mark.parametrize("spelling", ["", '""', "NA", "N/A", "null", "NaN", "?", " NA "])
def test_numbers_are_missing_however_that_is_spelled(path: Path, spelling: str) -> None:
    lines(path, "x,label", "1,a", f"{spelling},b", "3,a")

    assert columns(path)["x"] == [1, None, 3]
    assert refused(MissingValues, path).fact == "Column 'x' is null in 1 rows, first: 1"
    assert loaded(path, missing="impute").inputs.tolist() == [[1, 0], [2, 1], [3, 0]]


def test_words_are_missing_only_where_nothing_stands(path: Path) -> None:
    lines(path, "country,label", "NA,0", ",1", "null,0", "Peru,1")

    assert columns(path)["country"] == ["NA", None, "null", "Peru"]


def test_ids_stay_as_they_are_spelled(path: Path) -> None:
    samples = loaded(lines(path, "id,x,label", "007,1,a", "7,2,b"))

    assert samples.sample_key is not None
    assert samples.sample_key.to_pylist() == ["007", "7"]


def test_several_columns_can_be_classes(path: Path) -> None:
    lines(path, "text,cat,dog", "a,1,0", "b,1,1")

    assert loaded(path, task=TEXTS, target=["cat", "dog"]).labels.tolist() == [[1, 0], [1, 1]]


def test_compressed_files_are_read_alike(path: Path) -> None:
    lines(path, "x,label", "1,a", "2,b")
    packed = path.with_name("data.csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert columns(packed) == columns(path)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["1", "1,2,3"])
def test_a_row_of_another_length_is_refused_by_file_and_row(path: Path, row: str) -> None:
    error = refused_on_sight(DatasetUnreadable, lines(path, "x,label", "1,a", row, "2,b"))

    assert error.field == "dataset.uri"
    assert error.fact == f"Line 3 of data.csv has {len(row.split(','))} values, the first line 2"


def test_bytes_that_are_no_utf8_are_refused_by_line(path: Path) -> None:
    path.write_bytes(b"text,label\na,0\n\xff,1\n")

    error = refused_on_sight(DatasetUnreadable, path, task=TEXTS)

    assert error.fact.startswith("Line 3 of data.csv is not UTF-8 in column 'text'; write it as UTF-8")


def test_bytes_that_are_no_utf8_refuse_no_column_beside_theirs(path: Path) -> None:
    path.write_bytes(b"text,place,label\na,here,0\nb,K\xf6ln,1\nc,\xff\xfe,1\n")

    assert loaded(path, task=TEXTS).rows == 3
    assert refused_on_sight(DatasetUnreadable, path, task=TEXTS, input="place").fact.startswith("Line 3 of data.csv")


def test_a_header_that_is_no_utf8_is_refused(path: Path) -> None:
    path.write_bytes(b"te\xfft,label\na,0\n")

    assert refused_on_sight(DatasetUnreadable, path).field in ("dataset.uri", "dataset.format")


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_file_without_a_header_is_refused(path: Path, content: str) -> None:
    path.write_text(content)

    error = refused_on_sight(DatasetUnreadable, path)

    assert error.field == "dataset.format"
    assert error.fact.startswith("data.csv has no header")


def test_a_header_without_rows_is_an_empty_dataset(path: Path) -> None:
    assert refused_on_sight(DatasetEmpty, lines(path, "x,label"), input="x").field == "dataset.uri"


def test_a_quotation_mark_left_open_is_refused_where_it_swallows_too_much(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ted_core.datasets.formats.csv.BLOCK_BYTES", 100)
    lines(path, "text,label", '"a,0', *["b,1"] * 100)

    error = refused_on_sight(DatasetUnreadable, path, task=TEXTS)

    assert "is a quotation mark left open?" in error.fact


def test_fractions_are_no_classes(path: Path) -> None:
    assert refused_on_sight(UnusableLabels, lines(path, "x,label", "1,0.5", "2,1")).field == "dataset.target"


def test_a_name_twice_in_the_header_is_refused_where_it_is_used(path: Path) -> None:
    lines(path, "x,x,y,label", "1,2,3,a", "4,5,6,b")

    assert refused_on_sight(DatasetUnreadable, path, input="x").fact == "'x' is the name of several columns"
    assert loaded(path, input="y").inputs.tolist() == [[3], [6]]


# --- several files ----------------------------------------------------------------------------------------------------


def test_numbers_widen_over_all_files_whatever_their_order(tmp_path: Path) -> None:
    first, second = lines(tmp_path / "a.csv", "x,y", "1,2"), lines(tmp_path / "b.csv", "x,y", "0.5,b")

    assert columns(first, second) == {"x": [1.0, 0.5], "y": ["2", "b"]}
    assert columns(second, first) == {"x": [0.5, 1.0], "y": ["b", "2"]}


@pytest.mark.parametrize("first", ["x,label\n", "", "\n", "x,label\n,\n"], ids=["header", "nothing", "line", "nulls"])
@pytest.mark.parametrize("position", ["a", "c"])
def test_a_file_without_values_decides_no_type(tmp_path: Path, first: str, position: str) -> None:
    lines(tmp_path / "b.csv", "x,label", "1,a", "2,b")
    (tmp_path / f"{position}.csv").write_text(first)

    summary = inspected(tmp_path, missing="impute")

    assert summary.rows == 2 + (first.count("\n") == 2)
    assert summary.columns == ("x", "label")


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_numbers_in_one_file_and_words_in_another_are_words_with_a_warning(tmp_path: Path, order: str) -> None:
    lines(tmp_path / f"{order[0]}.csv", "x,size,label", "1,5,a", "2,6,b")
    lines(tmp_path / f"{order[1]}.csv", "x,size,label", "3,M,a", "4,L,b")

    read, unread = inspected(tmp_path, input="size"), inspected(tmp_path, input="x")

    assert [warning.code for warning in read.warnings] == ["types_differ"]
    number, word = order
    assert f"Column 'size' is int64 in {number}.csv, but holds words in {word}.csv" in read.warnings[0].message
    assert not unread.warnings


@pytest.mark.parametrize(
    ("header", "row", "fact"),
    [
        ("x,class", "1,a", "b.csv differs from a.csv in class, label"),
        ("label,x", "a,1", "b.csv differs from a.csv in the order of its columns"),
    ],
)
def test_a_file_with_another_header_is_refused_by_column(tmp_path: Path, header: str, row: str, fact: str) -> None:
    lines(tmp_path / "a.csv", "x,label", "1,a")
    lines(tmp_path / "b.csv", header, row)

    assert refused_on_sight(SchemasDiffer, tmp_path).fact == fact


# --- against Python's own reader --------------------------------------------------------------------------------------

VALUES = st.text(st.sampled_from('ab1 ,\t"\n\r;é?'), max_size=6)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=10))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_quoted_is_read_as_python_reads_it(path: Path, rows: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("one", "two"), ("word", "word"), *rows])
    path.write_bytes(text.getvalue().encode())

    inferred = columns(path)

    expected = list(csv.DictReader(io.StringIO(text.getvalue(), newline="")))
    assert inferred["one"] == [row["one"] or None for row in expected]
    assert inferred["two"] == [row["two"] or None for row in expected]


@given(st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_is_damaged_the_error_is_one_of_ours(path: Path, data: st.DataObject) -> None:
    content = bytearray(b'x,text,label\n1,"a, b",0\n2,c,1\n3.5,d,0\n')
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    try:
        samples = loaded(path, task=TEXTS)
    except TedError as error:
        assert error.field is not None
    else:
        assert samples.rows in (1, 2, 3, 4)


def test_very_many_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(map(str, range(MOST_COLUMNS + 1))) + "\n")

    assert refused_on_sight(DatasetUnreadable, path).fact == "wide.csv has more than 50,000 columns"


@pytest.mark.parametrize("line", ["{a},{b},{c}\r", '{a},{b},"{c}"\r'])
def test_lines_that_end_in_a_carriage_return_are_rows(path: Path, line: str) -> None:
    rows = [line.format(a=number, b=1, c=number % 2) for number in range(MOST_COLUMNS)]
    path.write_text("a,b,label\r" + "".join(rows), newline="")

    assert inspected(path).rows == MOST_COLUMNS


def test_quotation_marks_inside_of_names_are_characters_like_others(path: Path) -> None:
    path.write_text('disk 5",b,label\n' + "".join(f"{number},1,{number % 2}\n" for number in range(MOST_COLUMNS)))

    assert inspected(path).columns == ('disk 5"', "b", "label")


def test_a_thousand_columns_are_looked_at_in_a_moment(tmp_path: Path) -> None:
    path, names = tmp_path / "wide.csv", [f"c{number}" for number in range(2000)]
    path.write_text("\n".join([",".join(names), ",".join("1" for _ in names), ",".join("2" for _ in names)]))
    start = time.process_time()

    assert loaded(path, target="c0").input_shape == (1999,)
    assert time.process_time() - start < 5


def test_a_header_of_line_breaks_takes_no_longer_than_any_other(tmp_path: Path) -> None:
    (tmp_path / "open.csv").write_bytes(b'"' + b"\n" * 500_000)
    start = time.process_time()

    refused_on_sight(DatasetUnreadable, tmp_path / "open.csv")
    assert time.process_time() - start < 5
