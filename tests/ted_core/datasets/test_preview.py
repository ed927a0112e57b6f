"""What a look at the first rows and at all targets shows before a job is accepted, and what it never does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.datasets import DatasetSummary, summary_cache
from ted_core.datasets.budget import Budget, current_budget, limited
from ted_core.datasets.columns import preview
from ted_core.errors import (
    DatasetUnreadable,
    MissingValues,
    NothingToLearn,
    SingleClass,
    TedError,
    UndecodableImages,
    UnusableInputs,
    UnusableLabels,
)
from tests.ted_core.datasets import files
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TEXTS, arrow_file, image, jsonl, loaded, parquet

LONG = 100 * preview.ROWS
"""Rows, more than are looked at."""


@pytest.fixture(autouse=True)
def nothing_is_cached() -> Iterator[None]:
    summary_cache._summaries.clear()
    yield
    summary_cache._summaries.clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def looked(path: Path, *, seconds: float = 60, **choices: Any) -> DatasetSummary:
    """What an inspection with time for a look at rows says."""
    with limited(Budget(60, preview_seconds=seconds)):
        return files.inspected(path, **choices)


def first_row(path: Path, **choices: Any) -> dict[str, str] | None:
    understood = looked(path, **choices).understood
    assert understood
    return understood.first_row


def classes(path: Path, **choices: Any) -> dict[str, int] | None:
    understood = looked(path, **choices).understood
    assert understood
    return None if understood.classes is None else {one.name: one.rows for one in understood.classes}


def refused(error: type[TedError], path: Path, **choices: Any) -> TedError:
    with pytest.raises(error) as refusal:
        looked(path, **choices)
    return refusal.value


# --- classes ----------------------------------------------------------------------------------------------------------


LABELS = {
    "numbers": ([10, 2, 2, 10, 2], {"2": 3, "10": 2}),
    "strings": (["b", "a", "b", "b", "b"], {"a": 1, "b": 4}),
    "flags": ([True, False, True, True, False], {"False": 2, "True": 3}),
    "lists": ([["a"], ["b", "a"], [], ["c"], ["a"]], {"a": 3, "b": 1, "c": 1}),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("write", [parquet, arrow_file, jsonl], ids=["parquet", "arrow", "jsonl"])
def test_classes_are_counted_in_the_order_of_the_labels(tmp_path: Path, kind: str, write: Any) -> None:
    labels, counts = LABELS[kind]
    path = write(tmp_path / f"rows.{write.__name__.removesuffix('_file')}", x=[1.0, 2, 3, 4, 5], label=labels)

    assert classes(path) == counts
    assert list(counts) == list(classes(path) or ()) == list(loaded(path).classes)


def test_several_targets_are_a_class_each(path: Path) -> None:
    parquet(path, x=[1.0, 2, 3], a=[0, 1, 1], b=[1, 1, 0])

    assert classes(path, target=["a", "b"]) == {"a": 2, "b": 2}
    assert first_row(path, target=["a", "b"]) == {"x": "1.0", "label": "b"}


def test_classes_have_the_names_that_the_metadata_give(path: Path) -> None:
    feature = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    table = pa.table({"x": [1.0, 2, 3], "label": [0, 1, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(feature)}), path)

    assert classes(path) == {"no": 1, "yes": 2}
    assert (first_row(path) or {})["label"] == "no"


def test_the_classes_of_many_rows_in_several_files_are_counted(tmp_path: Path) -> None:
    for number in range(3):
        parquet(tmp_path / f"{number}.parquet", x=np.arange(LONG, dtype=float), label=np.arange(LONG) % 3)

    summary = looked(tmp_path)

    assert classes(tmp_path) == {str(label): LONG if LONG % 3 == 0 else (3 * LONG) // 3 + n for label, n in COUNTS}
    assert summary.rows == 3 * LONG


COUNTS = [(0, 2), (1, -1), (2, -1)]
"""Three times 25,600 rows are no multiple of three each."""


def test_the_classes_of_an_image_folder_are_its_folders(tmp_path: Path) -> None:
    for name, count in {"cat": 3, "dog": 2}.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").write_bytes(image(number))

    assert classes(tmp_path, format="image-folder", task=IMAGES) == {"cat": 3, "dog": 2}
    assert first_row(tmp_path, format="image-folder", task=IMAGES) == {"image": "3x8x8 pixels", "label": "cat"}


def test_targets_that_take_too_much_memory_are_left_to_the_worker(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "TARGET_BYTES", 100)

    summary = looked(parquet(path, x=np.arange(LONG, dtype=float), label=np.arange(LONG) % 2))

    assert summary.understood
    assert (summary.rows, summary.understood.classes) == (LONG, None)
    assert summary.understood.first_row == {"x": "0.0", "label": "0"}


@pytest.mark.parametrize("labels", [["a", None, "b"], [1, None, 2], [[1], None, [2]]])
def test_missing_labels_are_refused_with_their_rows(tmp_path: Path, labels: list[Any]) -> None:
    path = arrow_file(tmp_path / "rows.arrow", x=[1.0, 2, 3], label=labels)

    error = refused(MissingValues, path)

    assert (error.field, error.fact) == ("dataset.target", "Column 'label' is null in 1 rows, first: 1")
    assert files.refused(MissingValues, path).fact == error.fact


def test_labels_that_are_missing_far_behind_are_found(tmp_path: Path) -> None:
    labels = [row % 2 for row in range(LONG - 1)] + [None]
    path = arrow_file(tmp_path / "rows.arrow", x=np.arange(LONG, dtype=float), label=labels)

    assert refused(MissingValues, path).fact == f"Column 'label' is null in 1 rows, first: {LONG - 1}"


def test_of_targets_that_are_not_all_read_missing_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "TARGET_BYTES", 100)
    rows = pa.table({"x": np.arange(30.0), "label": pa.array([None, *([1] * 29)])})
    path = files.arrow_file(tmp_path / "rows.arrow", **{name: rows[name] for name in rows.column_names})

    assert "is null in 1 rows, first: 0 (of the first " in refused(MissingValues, path).fact


def test_a_single_class_is_refused(path: Path) -> None:
    assert refused(SingleClass, parquet(path, x=[1.0, 2], label=["a", "a"])).field == "dataset.target"


@pytest.mark.parametrize(("count", "warned"), [(50, False), (51, True), (100, True)])
def test_nearly_as_many_classes_as_rows_are_worth_a_warning(path: Path, count: int, warned: bool) -> None:
    parquet(path, x=np.arange(100.0), label=np.arange(100) % count)

    codes = [warning.code for warning in looked(path).warnings]

    assert codes == (["classes_nearly_unique"] if warned else [])
    assert [warning.code for warning in loaded(path).warnings] == codes


# --- the first row ----------------------------------------------------------------------------------------------------


def test_a_table_s_first_row_has_its_inputs_and_its_class(path: Path) -> None:
    parquet(path, age=[31, 42, 5], city=["Rome", "Rome", "Oslo"], v=[[1.0, 2]] * 3, id=["x", "y", "z"], label=[1, 0, 1])

    assert first_row(path) == {"age": "31", "label": "1"}
    assert first_row(path, input=["age", "city", "v"]) == {
        "age": "31",
        "city": "Rome",
        "v": "[1.0, 2.0]",
        "label": "1",
    }


def test_free_text_is_named_as_left_out(path: Path) -> None:
    names = [f"name {row}" for row in range(LONG)]
    parquet(path, age=np.arange(LONG) % 7, name=names, city=["Rome", "Oslo"] * (LONG // 2), label=np.arange(LONG) % 2)

    understood = looked(path).understood

    assert understood
    assert understood.first_row == {"age": "0", "city": "Rome", "label": "0"}
    assert {one.name: one.reason for one in understood.left_out}["name"].startswith(
        "holds more than 64 different texts"
    )


def test_what_counts_only_the_first_rows_is_an_input_as_in_loading(path: Path) -> None:
    hour = np.arange(LONG) % (2 * preview.ROWS)
    parquet(path, hour=hour, age=np.arange(LONG) % 7, label=np.arange(LONG) % 2)

    summary, samples = looked(path), loaded(path)

    assert summary.understood
    assert summary.understood.inputs == samples.columns.names == ("hour", "age")
    assert summary.warnings == samples.warnings == ()


@pytest.mark.parametrize("restarts", [False, True])
def test_what_counts_the_rows_of_all_files_is_left_out_as_in_loading(tmp_path: Path, restarts: bool) -> None:
    for part in range(2):
        number = np.arange(LONG) + (0 if restarts else part * LONG)
        parquet(tmp_path / f"{part}.parquet", n=number, age=np.arange(LONG) % 7, label=np.arange(LONG) % 2)

    summary, samples = looked(tmp_path), loaded(tmp_path)

    assert summary.understood
    assert summary.understood.inputs == samples.columns.names == ("age",)
    assert summary.warnings == samples.warnings


def test_of_a_counter_that_is_not_read_to_its_end_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "COUNTER_BYTES", 0)
    for part in range(2):
        rows = np.arange(LONG)
        parquet(tmp_path / f"{part}.parquet", n=rows, age=rows % 7, label=rows % 2)

    understood = looked(tmp_path).understood

    assert understood
    assert {one.name: one.reason for one in understood.left_out} == {"n": f"counts the first {LONG:,} rows"}


def test_texts_are_shown_as_they_are(path: Path) -> None:
    parquet(path, premise=["It rains.", "a"], hypothesis=["It is wet.", "b"], label=["yes", "no"])

    assert first_row(path, task=TEXTS, input=["premise", "hypothesis"]) == {
        "premise": "It rains.",
        "hypothesis": "It is wet.",
        "label": "yes",
    }


def test_a_conversation_s_turns_are_shown_with_what_is_learned(path: Path) -> None:
    answers = [{"role": "assistant", "content": text, "weight": weight} for text, weight in (("b", 0), ("d", 1))]
    asked = [{"role": "user", "content": text, "weight": None} for text in "ac"]
    parquet(path, messages=[[asked[0], answers[0], asked[1], answers[1]]], system=["Be brief."])

    assert first_row(path, task=DIALOGUES) == {
        "1 system": "Be brief.",
        "2 user": "a",
        "3 assistant": "b",
        "4 user": "c",
        "5 assistant (learned)": "d",
    }


@pytest.mark.parametrize(
    ("mode", "size", "shown"), [("RGB", None, "3x6x4"), ("L", None, "1x6x4"), ("RGB", 16, "3x16x16")]
)
def test_images_are_shown_by_their_shape(path: Path, mode: str, size: int | None, shown: str) -> None:
    parquet(path, image=[image(9, size=(4, 6), mode=mode)] * 2, label=[0, 1])

    assert first_row(path, task=IMAGES, image_size=size) == {"image": f"{shown} pixels", "label": "0"}


def test_one_image_in_colour_makes_all_of_them_so(path: Path) -> None:
    parquet(path, image=[image(9, mode="L"), image(9)], label=[0, 1])

    assert first_row(path, task=IMAGES) == {"image": "3x8x8 pixels", "label": "0"}


def test_ids_that_do_not_tell_rows_apart_are_worth_a_warning(path: Path) -> None:
    [warning] = looked(parquet(path, x=[1.0, 2, 3], id=["a", "b", "a"], label=[0, 1, 0])).warnings

    assert warning.code == "keys_not_unique"
    assert loaded(path).warnings == (warning,)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_are_refused_as_in_loading(path: Path) -> None:
    parquet(path, x=[1.0, float("inf"), 2.0], label=[0, 1, 0])

    assert refused(MissingValues, path).fact == files.refused(MissingValues, path).fact


def test_of_more_rows_it_is_said_that_only_the_first_were_seen(path: Path) -> None:
    values = np.arange(LONG, dtype=float)
    values[7], values[-1] = np.nan, np.nan

    error = refused(MissingValues, parquet(path, x=values, label=np.arange(LONG) % 2))

    assert error.fact == f"Column 'x' is NaN or infinite in 1 rows, first: 7 (of the first {preview.ROWS})"
    assert "in 2 rows" in files.refused(MissingValues, path).fact


def test_texts_as_a_table_are_refused(path: Path) -> None:
    parquet(path, text=[f"text {row}" for row in range(LONG)], label=np.arange(LONG) % 2)

    assert "too many different strings" in refused(UnusableInputs, path).fact


def test_lists_of_different_lengths_are_refused(path: Path) -> None:
    parquet(path, v=[[1.0], [1.0, 2.0]], label=[0, 1])

    assert "different lengths" in refused(UnusableInputs, path, input="v").fact


@pytest.mark.parametrize("task", [IMAGES, TEXTS, DIALOGUES])
def test_nulls_in_the_first_rows_are_refused(tmp_path: Path, task: str) -> None:
    columns: dict[str, dict[str, Any]] = {
        IMAGES: {"image": [image(1), None], "label": [0, 1]},
        TEXTS: {"text": ["a", None], "label": [0, 1]},
        DIALOGUES: {"prompt": ["a", None], "response": ["b", "c"]},
    }

    assert refused(MissingValues, arrow_file(tmp_path / "rows.arrow", **columns[task]), task=task).fact.endswith(
        ("first: 1", "Row 1 has no image")
    )


def test_conversations_without_an_end_are_refused(path: Path) -> None:
    chat = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]

    assert refused(NothingToLearn, parquet(path, messages=[chat]), task=DIALOGUES).field == "dataset.input"


def test_images_none_of_which_can_be_decoded_are_refused(path: Path) -> None:
    assert refused(UndecodableImages, parquet(path, image=[b"x", b"y"], label=[0, 1]), task=IMAGES)


def test_a_few_images_that_cannot_be_decoded_are_worth_a_warning(path: Path) -> None:
    [warning] = looked(parquet(path, image=[image(1), b"y", image(2)], label=[0, 1, 0]), task=IMAGES).warnings

    assert warning.code == "images_undecodable"
    assert warning.message.startswith("1 of the first 3 images cannot be decoded, first rows: 1")


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    texts = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff"))
    path = arrow_file(tmp_path / "rows.arrow", text=texts, label=[0, 1])

    assert refused(DatasetUnreadable, path, task=TEXTS).field == "dataset.uri"


# --- arrays -----------------------------------------------------------------------------------------------------------


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_arrays_have_classes_and_a_first_row(tmp_path: Path) -> None:
    table = npz(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.array([7, 5, 7]))
    images = npz(tmp_path / "i.npz", x=np.zeros((3, 4, 5, 3), np.uint8), y=np.array(["a", "b", "a"]))

    assert (classes(table), first_row(table)) == ({"5": 1, "7": 2}, {"x": "[0.0, 1.0]", "label": "7"})
    assert first_row(images, task=IMAGES) == {"x": "3x4x5 pixels", "label": "a"}
    assert classes(images, task=IMAGES) == {"a": 2, "b": 1}


def test_arrays_in_fortran_s_order_are_looked_at_too(tmp_path: Path) -> None:
    path = npz(tmp_path / "t.npz", x=np.asfortranarray(np.arange(6.0).reshape(3, 2)), y=np.array([7, 5, 7]))

    assert first_row(path) == {"x": "[0.0, 1.0]", "label": "7"}


def test_idx_files_have_classes_and_a_first_row(tmp_path: Path) -> None:
    header = bytes([0, 0, 8])
    (tmp_path / "a-idx3-ubyte").write_bytes(header + bytes([3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5]) + bytes(40))
    (tmp_path / "b-idx1-ubyte").write_bytes(header + bytes([1, 0, 0, 0, 2, 7, 9]))

    assert classes(tmp_path, format="idx", task=IMAGES) == {"7": 1, "9": 1}
    assert first_row(tmp_path, format="idx", task=IMAGES) == {"a-idx3-ubyte": "1x4x5 pixels", "label": "7"}


def test_first_rows_of_an_array_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    values = np.zeros((LONG, 3))
    values[[2, -1]] = np.nan

    error = refused(MissingValues, npz(tmp_path / "t.npz", x=values, y=np.arange(LONG) % 2))

    assert error.fact.endswith(f"first: 2 (of the first {preview.ROWS})")


def test_an_array_of_one_class_is_refused(tmp_path: Path) -> None:
    assert refused(SingleClass, npz(tmp_path / "t.npz", x=np.zeros((3, 2)), y=np.zeros(3, int)))


def test_images_of_two_channels_are_refused_by_their_header(tmp_path: Path) -> None:
    path = npz(tmp_path / "i.npz", x=np.zeros((3, 4, 5, 2), np.uint8), y=np.arange(3))

    assert "2 channels" in files.refused_on_sight(UnusableInputs, path, task=IMAGES).fact


# --- what depends on all rows -----------------------------------------------------------------------------------------


def test_categories_that_are_null_in_the_first_rows_may_prove_to_be_free_text(tmp_path: Path) -> None:
    names = [None, *("few" for _ in range(preview.ROWS)), *(f"name {row}" for row in range(preview.ROWS))]
    columns = {"x": np.arange(len(names)) % 5, "name": names, "label": np.arange(len(names)) % 2}
    path = arrow_file(tmp_path / "rows.arrow", **columns)

    assert looked(path).rows == len(loaded(path)) == len(names)


def test_strings_that_are_few_in_all_but_not_in_the_first_rows_are_categories(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "ROWS", 40)
    names = [f"name {row % 30}" for row in range(120)]
    parquet(path, name=names, label=np.arange(120) % 2)

    assert first_row(path) == {"name": "name 0", "label": "0"}
    assert loaded(path).inputs.shape == (120, 30)  # type: ignore[union-attr]


def test_a_class_that_comes_late_is_no_single_class(path: Path) -> None:
    labels = np.zeros(LONG, int)
    labels[-1] = 1

    assert classes(parquet(path, x=np.arange(LONG, dtype=float), label=labels)) == {"0": LONG - 1, "1": 1}


# --- the budget -------------------------------------------------------------------------------------------------------


def test_without_a_budget_for_it_no_row_is_looked_at(path: Path) -> None:
    understood = files.inspected(parquet(path, x=[1.0, 2], label=["a", "a"])).understood

    assert understood
    assert (understood.classes, understood.first_row) == (None, None)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "arrow"])
def test_a_look_that_is_cut_short_does_not_make_rows_uncounted(tmp_path: Path, kind: str) -> None:
    write = {"parquet": parquet, "jsonl": jsonl, "arrow": arrow_file}[kind]
    path = write(tmp_path / f"rows.{kind}", x=np.arange(9_000.0), label=np.arange(9_000) % 2)

    with limited(Budget(60, preview_seconds=1e-9)):
        summary = files.inspected(path)
        assert current_budget().counted

    assert summary.rows == 9_000
    assert summary.understood
    assert summary.understood.class_count in (None, 2)
    assert summary.understood.first_row == {"x": "0.0", "label": "0"}


def test_where_rows_are_not_counted_the_first_ones_are_still_seen(tmp_path: Path) -> None:
    for number in range(3):
        parquet(tmp_path / f"{number}.parquet", x=[1.0, 2.0], label=[0, 1])

    with limited(Budget(seconds=0, preview_seconds=60)):
        summary = files.inspected(tmp_path)

    assert summary.rows is None
    assert summary.understood
    assert summary.understood.first_row == {"x": "1.0", "label": "0"}


def test_types_that_further_rows_may_widen_are_not_held_against_the_first(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + ",\n" * 70_000 + "x,0\n")

    with limited(Budget(seconds=0, preview_seconds=60)):
        summary = files.inspected(path, format="csv", task=TEXTS)

    assert summary.rows is None


def test_what_was_seen_is_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_cache, "SETTLED_NS", 0)
    labels = np.arange(100)
    first = looked(parquet(path, x=np.arange(100.0), label=labels))

    def never(_: object) -> None:
        raise AssertionError("it is cached already")

    monkeypatch.setattr(preview.RowsToPreview, "preview", never)

    assert looked(path) == first
    assert first.warnings


def test_a_wide_table_is_looked_at_in_part(path: Path) -> None:
    columns = {f"c{number:05}": [1.0, 2.0] for number in range(preview.COLUMNS + 50)}
    summary = looked(parquet(path, **columns, label=[0, 1]))

    assert summary.understood
    assert summary.understood.first_row
    assert list(summary.understood.first_row)[-1] == "label"
    assert len(summary.understood.first_row) == 101
    assert summary.understood.class_count == 2


def test_a_task_without_targets_has_no_classes(path: Path) -> None:
    assert classes(parquet(path, prompt=["a"], response=["b"]), task=DIALOGUES) is None


def test_types_that_nothing_can_be_done_with_are_refused(tmp_path: Path) -> None:
    labels = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", "b"], pa.string_view()))
    path = arrow_file(tmp_path / "rows.arrow", x=[1.0, 2.0], label=labels)
    try:
        assert classes(path) == {"a": 1, "b": 1}
    except TedError as error:
        assert isinstance(error, UnusableLabels)
        files.refused(type(error), path)
