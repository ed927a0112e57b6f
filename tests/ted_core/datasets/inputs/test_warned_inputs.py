"""Datasets that may not be what their owners mean come with a warning; ordinary ones come with none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets.budget import Budget, limited
from ted_core.errors import UndecodableImages
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TABLE, TEXTS, jsonl, lines, parquet

ROWS = 600
rng = np.random.default_rng(5)
LABELS = [row % 2 for row in range(ROWS)]
NUMBERS = rng.normal(size=ROWS).round(3)
Make = Callable[[Path], Path]


def warned(path: Path, **choices: Any) -> list[str]:
    """The codes with which the API answers. A worker that reads all rows finds the same ones."""
    with limited(Budget(preview_seconds=60)):
        codes = [warning.code for warning in files.inspected(path, **choices).warnings]
    assert sorted(codes) == sorted(warning.code for warning in files.loaded(path, **choices).warnings)
    return codes


def labelled(*names: str) -> Make:
    """Rows with these classes in turn."""
    return lambda folder: jsonl(
        folder / "rows.jsonl", x=NUMBERS, label=[names[row % len(names)] for row in range(ROWS)]
    )


def csv_of(*values: str) -> Make:
    """A table with a column of these values, as they are spelled in CSV."""
    rows = [f"{values[row % len(values)]},{NUMBERS[row]},{LABELS[row]}" for row in range(ROWS)]
    return lambda folder: lines(folder / "rows.csv", "v,x,label", *rows)


def texts(*names: str) -> Make:
    """Columns of texts."""
    columns = {name: [f"{name} number {row}" for row in range(ROWS)] for name in names}
    return lambda folder: parquet(folder / "rows.parquet", **columns, label=LABELS)


def columns(**values: Any) -> Make:
    return lambda folder: parquet(folder / "rows.parquet", x=NUMBERS, **values)


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("a", "a ", "b"), ("Spam", "spam"), ("caf\u00e9", "cafe\u0301"), ("a  b", "a b")])
def test_classes_that_differ_in_case_blanks_or_unicode_alone_are_a_warning(tmp_path: Path, names: tuple[str]) -> None:
    assert warned(labelled(*names)(tmp_path)) == ["classes_alike"]


@pytest.mark.parametrize("names", [("a", "A"), ("cat", "cats"), ("C", "C++")])
def test_a_letter_and_its_capital_are_two_classes(tmp_path: Path, names: tuple[str]) -> None:
    assert warned(labelled(*names)(tmp_path)) == []


@pytest.mark.parametrize("name", ["", " ", "nan", "NA", "None", "?", "<NA>"])
def test_what_is_written_for_nothing_is_no_class_without_a_warning(tmp_path: Path, name: str) -> None:
    assert warned(labelled("good", "bad", name)(tmp_path)) == ["label_may_be_missing"]


def test_people_may_call_a_class_none(tmp_path: Path) -> None:
    assert warned(labelled("scratch", "none")(tmp_path)) == []


@pytest.mark.parametrize(("names", "codes"), [(("0", "1", "-1"), ["negative_label"]), (("0", "1", "-01-"), [])])
def test_a_lone_negative_label_is_noticed_in_words_too(tmp_path: Path, names: tuple[str], codes: list[str]) -> None:
    assert warned(labelled(*names)(tmp_path)) == codes


def test_a_negative_label_may_be_spelled_in_any_way(tmp_path: Path) -> None:
    assert warned(labelled("0", "1", "-01")(tmp_path)) == ["negative_label"]


def test_numbers_longer_than_any_code_are_words(tmp_path: Path) -> None:
    assert warned(labelled("0", "-" + "9" * 5000)(tmp_path)) == []


def test_lists_of_one_class_are_a_warning(tmp_path: Path) -> None:
    assert warned(columns(label=[[label] for label in LABELS])(tmp_path)) == ["one_class_each"]


def test_columns_that_give_each_row_one_class_are_a_warning(tmp_path: Path) -> None:
    path = columns(u=LABELS, v=[1 - label for label in LABELS])(tmp_path)

    assert warned(path, target=["u", "v"]) == ["one_class_each"]


def test_lists_of_any_number_of_classes_are_none(tmp_path: Path) -> None:
    assert warned(columns(label=[[0], [1], [0, 1]] * (ROWS // 3))(tmp_path)) == []


def test_names_of_codes_are_none_of_words(tmp_path: Path) -> None:
    feature = {"names": ["x", "y"], "_type": "ClassLabel"}
    metadata = {b"huggingface": json.dumps({"info": {"features": {"label": feature}}}).encode()}
    table = pa.table({"a": NUMBERS, "label": [str(label) for label in LABELS]}).replace_schema_metadata(metadata)
    pq.write_table(table, path := tmp_path / "rows.parquet")

    with limited(Budget(preview_seconds=60)):
        understood = files.inspected(path).understood

    assert understood is not None
    assert understood.first_row is not None
    assert understood.first_row["label"] == "0" == files.loaded(path).classes[0]


# --- inputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [f'"{number},5"' for number in range(20)],
        [f'"{number},{number}00"' for number in range(10, 30)],
        [f"{number}%" for number in range(20)],
        [f"${number}.99" for number in range(20)],
        ["-", *map(str, range(20))],
        [f"2024-01-{day:02}" for day in range(1, 29)],
        [f"{day}/1/2024" for day in range(1, 29)],
    ],
    ids=lambda values: values[1],
)
def test_numbers_and_dates_that_become_categories_are_a_warning(tmp_path: Path, values: list[str]) -> None:
    assert warned(csv_of(*values)(tmp_path)) == ["values_read_as_words"]


@pytest.mark.parametrize(
    "values",
    [
        ["0", "1", "2", "3+"],
        ["0-9", "10-19", "20-29", "30-39", "40-49", "50+"],
        ["1.2.3", "1.2.4", "1.3.0", "2", "2.1"],
        [f"A{number}" for number in range(20)],
        ["Private", "?", "State-gov"],
    ],
    ids=lambda values: values[0],
)
def test_categories_with_digits_are_none(tmp_path: Path, values: list[str]) -> None:
    assert warned(csv_of(*values)(tmp_path)) == []


def test_codes_of_digits_that_are_stored_as_words_are_none(tmp_path: Path) -> None:
    codes = [f"{row % 30:05}" for row in range(ROWS)]

    assert warned(columns(code=codes, label=LABELS)(tmp_path)) == []


@pytest.mark.parametrize("partner", ["question", "sentence2", "text_pair", "title"])
def test_a_text_beside_the_usual_one_is_a_warning_until_it_is_named(tmp_path: Path, partner: str) -> None:
    path = texts("sentence", partner)(tmp_path)

    assert warned(path, task=TEXTS) == ["columns_left_out"]
    assert warned(path, task=TEXTS, exclude=[partner]) == []
    assert warned(path, task=TEXTS, input=["sentence", partner]) == []
    assert warned(path, task=TEXTS, input="sentence") == []


def test_rows_without_any_text_are_a_warning(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", text=["", " ", "a film"] * 200, note=["a", "", "b"] * 200, label=LABELS)

    assert warned(path, task=TEXTS) == ["texts_empty"]
    assert warned(path, task=TEXTS, input=["text", "note"]) == ["texts_empty"]
    assert warned(path, task=TEXTS, input="note") == ["texts_empty"]


def test_a_second_text_may_be_empty(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", text=["a film"] * ROWS, note=["a", ""] * 300, label=LABELS)

    assert warned(path, task=TEXTS, input=["text", "note"]) == []


def test_backslashes_before_quotation_marks_are_a_warning(tmp_path: Path) -> None:
    rows = [f'"he said \\"no\\" {row}",{LABELS[row]}' for row in range(ROWS)]
    path = lines(tmp_path / "rows.csv", "text,label", *rows)

    assert warned(path, task=TEXTS) == ["quotation_marks_escaped"]


def test_backslashes_beside_doubled_marks_are_none(tmp_path: Path) -> None:
    rows = [f'"C:\\ ""{row}\\""",{LABELS[row]}' for row in range(ROWS)]
    path = lines(tmp_path / "rows.csv", "text,label", *rows)

    assert warned(path, task=TEXTS) == []


def test_images_none_of_which_can_be_decoded_are_refused_on_sight(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", image=[b"<svg/>"] * ROWS, label=LABELS)

    with limited(Budget(preview_seconds=60)):
        error = files.refused_on_sight(UndecodableImages, path, task=IMAGES)

    assert error.fact.startswith("None of the first 32 images")


# --- ordinary data ----------------------------------------------------------------------------------------------------


def digits(folder: Path) -> Path:
    pixels = rng.integers(0, 17, (64, ROWS))
    return parquet(folder / "digits.parquet", **{f"pixel_{at}": row for at, row in enumerate(pixels)}, label=LABELS)


def arrays(folder: Path) -> Path:
    np.savez(path := folder / "digits.npz", x=rng.random((ROWS, 64)), y=rng.integers(0, 10, ROWS))
    return path


def iris(folder: Path) -> Path:
    """Sorted by class, and fewer rows than a batch holds."""
    kinds = ("setosa", "versicolor", "virginica")
    rows = [f"{rng.random():.1f},{rng.random():.1f},{kinds[row // 50]}" for row in range(150)]
    return lines(folder / "iris.csv", "sepal_length,sepal_width,label", *rows)


def reviews(folder: Path) -> Path:
    rows = [f'it\'s a "{word}" film no. {row}\t{row % 2}' for row, word in enumerate(["dull", "fine"] * 300)]
    return lines(folder / "train.tsv", "sentence\tlabel", *rows)


def instructions(folder: Path) -> Path:
    rows = [{"instruction": f"Name {row}", "input": "one" * (row % 2), "output": f"{row}"} for row in range(ROWS)]
    (path := folder / "alpaca.json").write_text(json.dumps(rows))
    return path


def pictures(folder: Path) -> Path:
    images = [files.image(rng.integers(0, 256, (8, 8, 3), np.uint8)) for _ in range(80)]
    image = [{"bytes": image, "path": None} for image in images]
    return parquet(folder / "train-00000-of-00001.parquet", image=image, label=LABELS[:80])


def people(folder: Path) -> Path:
    rows = [f"{17 + row % 60}, {('Private', '?')[row % 2]}, {('<=50K', '>50K')[row % 2]}" for row in range(ROWS)]
    return lines(folder / "adult.csv", "age, workclass, label", *rows)


@pytest.mark.parametrize(
    ("make", "task"),
    [
        (digits, TABLE),
        (arrays, TABLE),
        (iris, TABLE),
        (people, TABLE),
        (reviews, TEXTS),
        (instructions, DIALOGUES),
        (pictures, IMAGES),
    ],
)
def test_ordinary_data_come_without_a_warning(tmp_path: Path, make: Make, task: str) -> None:
    assert warned(make(tmp_path), task=task) == []
