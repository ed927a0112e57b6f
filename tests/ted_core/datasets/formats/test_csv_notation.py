"""How delimited text is written: with or without quotation marks, a header, blanks after commas, and in UTF-8."""

import csv
import gzip
import io
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ted_core.datasets import DatasetSpec, DatasetSummary, Samples, Texts
from ted_core.datasets.formats import csv as delimited
from ted_core.datasets.formats.text.notation import Choices, Notation
from ted_core.datasets.formats.text.records import records, width
from ted_core.datasets.sources.base import Source
from ted_core.errors import DatasetUnreadable, SchemasDiffer, SettingUnsuited, TedError, UnknownColumn
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import TABLE, TEXTS, lines, parquet

SHARED = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inspected(path: Path, **choices: Any) -> DatasetSummary:
    return files.inspected(path, **{"format": "csv", "task": TEXTS} | choices)


def loaded(path: Path, **choices: Any) -> Samples:
    return files.loaded(path, **{"format": "csv", "task": TEXTS} | choices)


def refused_on_sight(error: type[TedError], path: Path, **choices: Any) -> TedError:
    return files.refused_on_sight(error, path, **{"format": "csv", "task": TEXTS} | choices)


def texts(path: Path, **choices: Any) -> list[str]:
    inputs = loaded(path, **choices).inputs
    assert isinstance(inputs, Texts)
    return list(inputs.parts[0].to_pylist())


def codes(path: Path, **choices: Any) -> list[str]:
    return [warning.code for warning in inspected(path, **choices).warnings]


def numbers(rows: int, text: str = "text {0}") -> list[str]:
    """Rows of a text and a class."""
    return [f"{text.format(number)},{number % 2}" for number in range(rows)]


# --- quotation marks in TSV -------------------------------------------------------------------------------------------


def opened_quotes(path: Path, rows: int = 200) -> list[str]:
    """A TSV whose texts begin with a quotation mark that none closes."""
    sentences = [f'"so he said {number}' if number % 2 else f"word {number}" for number in range(rows)]
    lines(path, "text\tlabel", *(f"{sentence}\t{number % 2}" for number, sentence in enumerate(sentences)))
    return sentences


@pytest.mark.parametrize("form", ["csv", "tsv", None])
def test_tabs_separate_texts_that_begin_with_a_quotation_mark(tmp_path: Path, form: str | None) -> None:
    expected = opened_quotes(tmp_path / "data.tsv")

    assert texts(tmp_path / "data.tsv", format=form) == expected
    assert not inspected(tmp_path / "data.tsv", format=form).warnings


def test_quoting_that_was_asked_for_refuses_the_line_where_a_mark_swallows_rows(tmp_path: Path) -> None:
    opened_quotes(tmp_path / "data.tsv")

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data.tsv", quoting=True)

    assert error.field == "dataset.quoting"
    assert error.fact.startswith("A quotation mark in line 3 of data.tsv is closed in line 5")
    assert error.fact.endswith("set dataset.quoting to false if quotation marks are letters like others")


@given(st.lists(st.text(st.sampled_from('ab \t"\n,'), max_size=8), min_size=1, max_size=12), st.booleans())
@SHARED
def test_what_pandas_writes_with_tabs_is_read_back_if_quoting_is_asked_for(
    tmp_path: Path, words: list[str], always: bool
) -> None:
    frame = pd.DataFrame({"text": ["first", *words], "label": ["z", *("y" for _ in words)]})
    frame.to_csv(tmp_path / "data.tsv", sep="\t", index=False, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL)

    assert columns(tmp_path / "data.tsv", quoting=True)["text"] == [word or None for word in frame["text"]]


def test_a_tsv_that_could_well_be_quoted_comes_with_a_warning(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["plain", 'a "fine" film', "x"], "label": [0, 1, 0]})
    frame.to_csv(tmp_path / "data.tsv", sep="\t", index=False)

    assert codes(tmp_path / "data.tsv") == ["quotation_marks_kept"]
    assert codes(tmp_path / "data.tsv", quoting=False) == []
    assert codes(tmp_path / "data.tsv", quoting=True) == []
    assert texts(tmp_path / "data.tsv", quoting=True)[1] == 'a "fine" film'


def test_quoted_names_where_nothing_is_quoted_are_refused_with_what_to_do(tmp_path: Path) -> None:
    lines(tmp_path / "data.tsv", '"text"\t"label"', '"a"\t"0"', '"b"\t"1"')

    error = refused_on_sight(UnknownColumn, tmp_path / "data.tsv")

    assert error.fact.endswith("its names are quoted: set dataset.quoting to true")
    assert texts(tmp_path / "data.tsv", quoting=True) == ["a", "b"]


# --- quotation marks in CSV -------------------------------------------------------------------------------------------


def columns(*paths: Path, **choices: Any) -> dict[str, list[Any]]:
    """What the reader makes of the files, as Python values."""
    sources = [Source.at(path) for path in paths]
    spec = DatasetSpec.model_validate({"uri": "/", "format": "csv", "task": TEXTS} | choices)
    schema, _ = delimited.schema_summary(sources, spec)
    rows = [row for batch in delimited.batches(sources, schema.names, spec) for row in batch.to_pylist()]
    return {name: [row[name] for row in rows] for name in schema.names}


@pytest.mark.parametrize(
    ("swallowing", "line", "last"),
    [
        (['"he said,1', "she said,0", '"word" and more,1'], 12, 14),
        (['"he said,1', 'the size is 5",0'], 12, 13),
        (["multi,0", '"he said,1', "between,0", 'the size is 5",0'], 13, 15),
    ],
    ids=["text after the mark", "closed by another text", "further below"],
)
def test_rows_that_a_stray_mark_swallows_are_refused_with_its_line(
    tmp_path: Path, swallowing: Sequence[str], line: int, last: int
) -> None:
    rows = numbers(10)
    lines(tmp_path / "data.csv", "text,label", *rows, *swallowing, *numbers(10))

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data.csv")

    assert error.field == "dataset.quoting"
    assert f"A quotation mark in line {line} of data.csv is closed in line {last}" in error.fact


def test_lines_are_counted_over_honest_line_breaks_and_empty_lines(tmp_path: Path) -> None:
    honest = ['"two', 'lines",1', "", '"and,', "", 'three",0']
    lines(tmp_path / "data.csv", "text,label", *honest, *numbers(20), '"open,0', 'size 5" and more,1', *numbers(5))

    assert "in line 28 of" in refused_on_sight(DatasetUnreadable, tmp_path / "data.csv").fact


def test_a_last_column_may_be_the_one_that_swallows(tmp_path: Path) -> None:
    rows = [f"{number % 2},text {number}" for number in range(20)]
    lines(tmp_path / "data.csv", "label,text", *rows, '1,"he said', "0,she said", '1,"words" again', *rows)

    assert (
        "in line 22 of data.csv is closed in line 24" in refused_on_sight(DatasetUnreadable, tmp_path / "data.csv").fact
    )


def test_quoting_may_be_switched_off_for_commas_too(tmp_path: Path) -> None:
    lines(tmp_path / "data.csv", "text,label", *numbers(10), '"he said,1', 'size 5" and more,0')

    assert texts(tmp_path / "data.csv", quoting=False)[-2:] == ['"he said', 'size 5" and more']


HONEST = {
    "a date before a line break": "Written on July 4, 1994\nin Rome",
    "a list": "a, b\nc, d\ne, f",
    "a poem": "One, two,\nbuckle my shoe.\nThree, four,\nshut the door.",
    "a table of other values": "name,age\nAnn,31\nBob,40",
    "marks inside": 'She said "yes",\nthen "no".',
}


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_texts_with_line_breaks_and_commas_are_read_as_they_are(tmp_path: Path, text: str, quoting: Any) -> None:
    frame = pd.DataFrame({"text": [f"text {number}" for number in range(30)], "label": [0, 1] * 15})
    frame.loc[20, "text"] = text
    frame.to_csv(tmp_path / "data.csv", index=False, quoting=quoting)

    assert texts(tmp_path / "data.csv") == frame["text"].to_list()


def test_a_table_in_a_text_that_looks_like_rows_is_read_if_that_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"text {number}" for number in range(30)], "label": [0, 1] * 15})
    frame.loc[20, "text"] = "good,1\nbad,0\nworse"
    frame.to_csv(tmp_path / "data.csv", index=False)

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data.csv")

    assert error.fact.endswith("or to true if that is one value")
    assert texts(tmp_path / "data.csv", quoting=True)[20] == "good,1\nbad,0\nworse"


def test_much_that_speaks_for_rows_comes_with_a_warning_where_columns_tell_nothing(tmp_path: Path) -> None:
    rows = [f"question {number},answer {number}" for number in range(40)]
    swallowed = [f"another {number},reply {number}" for number in range(8)]
    lines(tmp_path / "data.csv", "prompt,response", *rows, '"Size,5', *swallowed, 'end",right')

    found = inspected(tmp_path / "data.csv", task="causal-lm").warnings

    assert [warning.code for warning in found] == ["rows_may_be_swallowed"]
    assert "in line 42 of data.csv is closed in line 51" in found[0].message


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_mark_that_is_never_closed_is_refused_with_its_line(tmp_path: Path, end: str) -> None:
    content = "\n".join(["text,label", *numbers(5), '"open,1', *numbers(5)]) + end
    (tmp_path / "data.csv").write_text(content)

    error = refused_on_sight(DatasetUnreadable, tmp_path / "data.csv")

    assert error.fact.startswith("A quotation mark in line 7 of data.csv is never closed")


@pytest.mark.parametrize("row", ["1", "1,2,3", '"a', '"a,b",c,d'])
def test_a_row_of_another_length_is_refused_by_line_after_rows_of_several_lines(tmp_path: Path, row: str) -> None:
    lines(tmp_path / "data.csv", "text,label", '"a', "", 'b",1', "", row, "c,1")

    assert "Line 6 of data.csv has" in (fact := refused_on_sight(DatasetUnreadable, tmp_path / "data.csv").fact) or (
        "in line 6 of data.csv is never closed" in fact
    )


FIELDS = st.text(st.sampled_from('ab1 ,"\n\r;'), max_size=5)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=8))
@SHARED
def test_records_begin_where_arrow_begins_them(tmp_path: Path, rows: list[list[str]]) -> None:
    content = "one,two\n" + "".join(",".join(row) + "\n" for row in rows)
    (tmp_path / "data.csv").write_text(content, newline="")
    source = Source.at(tmp_path / "data.csv")
    notation = Notation.of("data.csv", Choices("csv", None, None))

    found = list(records(source, notation))

    sizes = {width(record, notation) for record in found}
    try:
        arrow = sum(len(batch) for batch in delimited._strings(source, delimited.FileLayout(notation, ("one", "two"))))
    except DatasetUnreadable:
        assert sizes != {2} or not all(record.is_closed for record in found)
    else:
        assert (len(found) - 1, sizes) == (arrow, {2})


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=10))
@SHARED
def test_what_polars_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame({"text": ["t", *(row[0] for row in rows)], "label": ["u", *(row[1] for row in rows)]})
    frame.write_csv(tmp_path / "data.csv", quote_style="always")

    assert columns(tmp_path / "data.csv")["text"] == [text or None for text in frame["text"]]


# --- the first line ---------------------------------------------------------------------------------------------------


def test_columns_without_names_are_numbered(tmp_path: Path) -> None:
    path = lines(tmp_path / "data.csv", "good,1", "bad,0", "fine,1")

    summary = inspected(path, header=False, input="column_0", target="column_1")

    assert (summary.columns, summary.rows, summary.warnings) == (("column_0", "column_1"), 3, ())
    assert texts(path, header=False, input="column_0", target="column_1") == ["good", "bad", "fine"]


@pytest.mark.parametrize(
    "rows",
    [
        ["5.1,3.5,setosa", "4.9,3.0,setosa", "6.3,3.3,virginica"],
        ["7,1,a", "8,0,b", "9,1,a"],
        ["true,x,a", "false,y,b", "true,z,a"],
        ["some text,another,World", "a,b,Sports", "c,d,World"],
        ["?,2,a", "1,3,b", "4,5,a"],
    ],
)
def test_a_first_line_that_looks_like_a_row_comes_with_a_warning(tmp_path: Path, rows: Sequence[str]) -> None:
    path = lines(tmp_path / "data.csv", *rows)
    names = rows[0].split(",")
    choices = {"input": names[0], "target": names[2], "task": TABLE, "missing": "impute"}

    assert codes(path, **choices) == ["header_looks_like_data"]
    assert codes(path, **choices, header=True) == []
    assert codes(path, **choices | {"input": "column_0", "target": "column_2"}, header=False) == []


@pytest.mark.parametrize("missing", ["input", "target"])
def test_a_column_that_is_looked_for_in_a_row_is_refused_with_what_to_do(tmp_path: Path, missing: str) -> None:
    path = lines(tmp_path / "data.csv", "5,a", "6,b", "7,a")

    error = refused_on_sight(UnknownColumn, path, **{"input": "5", "target": "a", missing: "label"})

    assert error.field == f"dataset.{missing}"
    assert error.fact.endswith("; the first line looks like data: set dataset.header to false")


@pytest.mark.parametrize(
    "header",
    ["a,b,label", "0,1,2", "1,2,label", "Unnamed: 0,x,label", ",x,label", "2019,2020,2021", "0,x,label", "0,1,label"],
)
def test_names_are_taken_for_names(tmp_path: Path, header: str) -> None:
    path = lines(tmp_path / "data.csv", header, *(f"{number},{number * 3},{number % 5}" for number in range(30)))
    _, feature, target = header.split(",")

    assert "header_looks_like_data" not in codes(path, task=TABLE, input=feature, target=target)


def test_a_row_of_names_among_the_rows_comes_with_a_warning(tmp_path: Path) -> None:
    path = lines(tmp_path / "data.csv", "age,label", "31,a", "40,b", "22,a")

    found = inspected(path, task=TABLE, header=False, input="column_0", target="column_1").warnings

    assert [warning.code for warning in found] == ["first_row_looks_like_names"]
    assert found[0].field == "dataset.header"


def test_files_without_a_header_share_their_columns(tmp_path: Path) -> None:
    lines(tmp_path / "a.csv", "1,a", "2,b")
    lines(tmp_path / "b.csv", "0.5,a", "3,b")
    choices = {"input": "column_0", "target": "column_1", "task": TABLE}

    assert loaded(tmp_path, header=False, **choices).inputs.tolist() == [[1], [2], [0.5], [3]]
    assert "set dataset.header to false" in refused_on_sight(SchemasDiffer, tmp_path, **choices).fact


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("text;label", "separated by semicolons: write commas or tabs instead"),
        ("text|label", "separated by vertical bars"),
        ("text\tlabel", "separated by tabs: dataset.format tsv reads them"),
    ],
)
def test_a_single_column_is_refused_with_what_separates_it(tmp_path: Path, line: str, says: str) -> None:
    path = lines(tmp_path / "data.csv", line, line.replace("text", "a"), line.replace("text", "b"))

    assert says in refused_on_sight(UnknownColumn, path).fact


@pytest.mark.parametrize("start", ["@relation letter", "@RELATION 'x y'", "@attribute a real"])
def test_a_header_of_arff_or_keel_is_refused_with_what_to_do(tmp_path: Path, start: str) -> None:
    path = lines(tmp_path / "letter.dat", start, "@attribute x integer [0,15]", "@data", "1,2,A")

    error = refused_on_sight(DatasetUnreadable, path)

    assert "begins with a header of ARFF or KEEL; remove all up to @data" in error.fact


# --- blanks -----------------------------------------------------------------------------------------------------------


def test_a_blank_after_the_comma_belongs_to_it(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "adult.data", "39, Private, a good film, <=50K", "50, ?, a bad  film , >50K", "9,Private, x,>50K"
    )
    table = {"header": False, "task": TABLE, "target": "column_3"}

    samples = loaded(path, **table, input=["column_0", "column_1"])

    assert samples.classes == ("<=50K", ">50K")
    assert samples.inputs.shape == (3, 3), "a number and two categories"
    assert texts(path, header=False, input="column_2", target="column_3") == ["a good film", "a bad  film ", "x"]


def test_a_text_keeps_its_blanks(tmp_path: Path) -> None:
    path = lines(tmp_path / "data.tsv", "sentence\tlabel", " indented\t1", "ends in a blank \t 0", "plain\t1 ")

    assert texts(path, format="tsv") == [" indented", "ends in a blank ", "plain"]
    assert loaded(path, format="tsv").classes == ("0", "1")


# --- bytes that are no text -------------------------------------------------------------------------------------------

CONTENT = "text,label\ngood,1\nbad,0\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.jsonl", "data.json"])
def test_other_encodings_are_refused_with_the_files_name(tmp_path: Path, encoding: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(CONTENT.encode(encoding))

    error = refused_on_sight(DatasetUnreadable, path, format=name.split(".")[1])

    assert error.fact.startswith(f"{name} is encoded as UTF-")
    assert "write it as UTF-8" in error.fact


@pytest.mark.parametrize("compressed", [False, True])
def test_a_byte_order_mark_is_none_of_the_first_name(tmp_path: Path, compressed: bool) -> None:
    content = CONTENT.encode("utf-8-sig")
    path = tmp_path / "data.csv"
    path.write_bytes(gzip.compress(content) if compressed else content)

    assert inspected(path).columns == ("text", "label")
    assert texts(path) == ["good", "bad"]


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"PK\x03\x04", "ZIP archive"),
        (b"\xfd7zXZ\0", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7"),
        (b"Rar!\x1a\x07", "RAR archive"),
        (gzip.compress(b"x", mtime=0), "compressed twice"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file"),
        (b"x" * 257 + b"ustar", "tar archive"),
    ],
)
@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.json"])
def test_compressed_and_packed_files_are_refused_by_what_they_are(
    tmp_path: Path, start: bytes, says: str, name: str
) -> None:
    content = start + os.urandom(1000)
    (tmp_path / name).write_bytes(gzip.compress(content) if says == "compressed twice" else content)

    error = refused_on_sight(DatasetUnreadable, tmp_path / name, format=name.split(".")[1])

    assert says in error.fact
    assert error.fact.isprintable()


# --- settings that other formats do not have --------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["header", "quoting"])
@pytest.mark.parametrize("value", [True, False])
def test_other_formats_have_no_such_setting(tmp_path: Path, setting: str, value: bool) -> None:
    path = parquet(tmp_path / "data.parquet", x=[1, 2], label=[0, 1])

    error = files.refused_on_sight(SettingUnsuited, path, **{setting: value})

    assert error.field == f"dataset.{setting}"


# --- against Python's own writer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_honest_texts_of_many_lines_are_neither_refused_nor_doubted(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311 - texts, no secrets
    words = ["a", "b,", 'c "d"', "e\n", "f, g\n", "1", ", 2\n"]
    rows = [["".join(generator.choices(words, k=8)), number % 3] for number in range(400)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["text", "label"], *rows])
    (tmp_path / "data.csv").write_text(text.getvalue(), newline="")

    assert texts(tmp_path / "data.csv") == [row[0] for row in rows]
