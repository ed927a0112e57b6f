"""A report shows what its rows hold, in little room and without what could deceive."""

import base64
import io
import string
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ted_core.datasets import DatasetSpec, Limits, Samples, load, read_rows
from ted_core.results.printable import printable
from ted_core.results.report import ReportExample, ReportExamples, ReportSample
from ted_core.results.report_samples import picture_uri, report_samples
from tests.ted_core.datasets.files import DIALOGUES, IMAGES, TABLE, TEXTS, image, jsonl, parquet, spec


def shown(path: Path, rows: Sequence[int], *, vectors: bool = False, **choices: Any) -> dict[int, ReportSample]:
    """What the report shows of these rows; perhaps of a proxy that sees but vectors of them."""
    dataset, roots = spec(path, **choices), [path.parent]
    samples = load(dataset, roots=roots, limits=Limits(max_undecodable=0.5))
    if vectors:
        samples = replace(samples, inputs=np.zeros((len(samples), 4), np.float32))
    return dict(
        report_samples(
            samples,
            rows,
            spec=dataset,
            read=lambda names, wanted: read_rows(dataset, wanted, columns=names, roots=roots),
        )
    )


def picture(uri: str | None) -> np.ndarray:
    """The pixels of a data URI."""
    assert uri is not None
    kind, _, content = uri.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", [False, True], ids=["as the model sees them", "read again"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_are_shown_as_pictures(tmp_path: Path, mode: str, vectors: bool) -> None:
    path = parquet(tmp_path / "d.parquet", image=[image(50 * row, mode=mode) for row in range(4)], label=[0, 1, 0, 1])

    found = shown(path, [1, 3], task=IMAGES, vectors=vectors)

    assert found.keys() == {1, 3}
    assert [np.unique(picture(sample.image)).tolist() for sample in found.values()] == [[50], [150]]
    assert picture(found[1].image).shape[:2] == (8, 8)


@pytest.mark.parametrize("vectors", [False, True], ids=["as the model sees them", "read again"])
def test_transparent_parts_of_pictures_show_the_ground(tmp_path: Path, vectors: bool) -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(clear, "PNG")
    path = parquet(tmp_path / "d.parquet", image=[clear.getvalue(), image(1)], label=[0, 1])

    for background, ground in (("white", 255), ("black", 0)):
        found = shown(path, [0], task=IMAGES, background=background, vectors=vectors)
        assert np.unique(picture(found[0].image)).tolist() == [ground]


def test_rows_that_could_not_be_decoded_are_not_shown(tmp_path: Path) -> None:
    encoded = [image(10), b"broken", image(30), image(40)]
    path = parquet(tmp_path / "d.parquet", image=encoded, label=[0, 1, 0, 1])

    found = shown(path, [1, 2, 3], task=IMAGES)

    assert found.keys() == {2, 3}
    assert np.unique(picture(found[2].image)).tolist() == [30]


@pytest.mark.parametrize("size", [(8, 8), (96, 96), (2000, 1000), (3, 5000), (1, 1)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_noisiest_picture_takes_little_room(size: tuple[int, int], mode: str) -> None:
    channels = () if mode == "L" else (3,)
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], *channels), dtype=np.uint8)

    uri = picture_uri(Image.fromarray(noise))

    assert len(uri) <= 8 << 10
    assert max(picture(uri).shape[:2]) <= 96


def test_pictures_keep_their_proportions() -> None:
    assert picture(picture_uri(Image.new("RGB", (400, 200)))).shape[:2] == (48, 96)


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vectors", [False, True], ids=["from memory", "read again"])
def test_texts_are_shown_up_to_a_length(tmp_path: Path, vectors: bool) -> None:
    path = jsonl(tmp_path / "d.jsonl", text=["short", "long " * 1000, "a", "b"], label=[0, 1, 0, 1])

    found = shown(path, [0, 1], task=TEXTS, vectors=vectors)

    assert found[0].text == "short"
    assert found[1].text == ("long " * 1000)[:499] + "…"


@pytest.mark.parametrize("vectors", [False, True], ids=["from memory", "read again"])
def test_of_pairs_both_texts_are_shown(tmp_path: Path, vectors: bool) -> None:
    path = parquet(tmp_path / "d.parquet", premise=["It rains.", "x"], claim=["It is wet.", "y"], label=[0, 1])

    assert (
        shown(path, [0], task=TEXTS, input=["premise", "claim"], vectors=vectors)[0].text == "It rains.\n\nIt is wet."
    )


def test_conversations_are_shown_turn_by_turn(tmp_path: Path) -> None:
    turns = [{"role": ("user", "assistant")[turn % 2], "content": f"{turn} " * 500} for turn in range(20)]
    path = parquet(tmp_path / "d.parquet", messages=[turns, turns[:2]])

    found = shown(path, [0, 1], task=DIALOGUES)

    assert found[0].turns is not None
    assert [turn.role for turn in found[0].turns] == ["user", "assistant"] * 4
    assert [turn.content[:2] for turn in found[0].turns] == [f"{turn} " for turn in range(8)]
    assert {len(turn.content) for turn in found[0].turns} == {400}
    assert len(found[1].turns or ()) == 2


# --- records ----------------------------------------------------------------------------------------------------------


def test_of_a_table_the_inputs_are_shown_as_the_file_has_them(tmp_path: Path) -> None:
    columns = {
        "count": [1, 2, 3, 4],
        "price": pa.array([0.1, 1e-7, 2.0, 1 / 3], pa.float32()),
        "ratio": [0.1, 1e30, 2.0, 1 / 3],
        "big": [1_764_460_000_000, 2, 3, 4],
        "member": [True, False, True, False],
        "city": pa.array(["Rome", None, "Oslo", "Rome"]).dictionary_encode(),
        "label": ["a", "b", "a", "b"],
        "id": ["w", "x", "y", "z"],
    }
    path = parquet(tmp_path / "d.parquet", **columns)

    found = shown(path, [0, 1], missing="impute")

    assert found[0].record == {
        "count": "1",
        "price": "0.1",
        "ratio": "0.1",
        "big": "1764460000000",
        "member": "true",
        "city": "Rome",
    }
    assert found[1].record == {
        "count": "2",
        "price": "1e-07",
        "ratio": "1e+30",
        "big": "2",
        "member": "false",
        "city": "null",
    }


def test_of_many_columns_and_long_lists_the_first_are_shown(tmp_path: Path) -> None:
    columns: dict[str, Any] = {f"c{number:03}": [number, number + 1] for number in range(30)}
    columns["c000"] = [[0.5] * 1000, [1.5] * 1000]
    path = parquet(tmp_path / "d.parquet", **columns, label=[0, 1])

    record = shown(path, [0], input=list(columns))[0].record

    assert record is not None
    assert list(record) == list(columns)[:20]
    assert record["c001"] == "1"
    assert record["c000"].startswith("[0.5, 0.5, ")
    assert len(record["c000"]) == 80


def test_long_names_and_values_are_shown_up_to_a_length(tmp_path: Path) -> None:
    path = parquet(tmp_path / "d.parquet", **{"n" * 200: ["v" * 500, "w"]}, label=[0, 1])

    assert shown(path, [0], input="n" * 200)[0].record == {"n" * 59 + "…": "v" * 79 + "…"}


def test_rows_of_arrays_are_shown_as_lists(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.array([[0.1, 2], [3, 4]], np.float32), y=[0, 1])

    assert shown(tmp_path / "d.npz", [0])[0].record == {"x": "[0.1, 2.0]"}


def test_a_format_that_cannot_find_rows_shows_none() -> None:
    samples = Samples(np.zeros((2, 1), np.float32), np.arange(2), ("a", "b"), np.arange(2, dtype=np.uint64), rows=2)
    dataset = DatasetSpec(uri="/data", task=TABLE)

    assert report_samples(samples, [0, 1], spec=dataset, read=lambda names, rows: iter(())) == {}


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_what_shows_nothing_or_turns_text_around_is_replaced() -> None:
    deceptive = "a\x00b\x1b[31mc\u202egpj.exe\u2066d\x7fe\x9bf"

    assert printable(deceptive, longest=100) == "a\ufffdb\ufffd[31mc\ufffdgpj.exe\ufffdd\ufffde\ufffdf"


def test_line_breaks_tabs_and_the_signs_of_all_scripts_are_kept() -> None:
    text = "one\ttwo\r\nthree\u2028four \u00a0 👩\u200d🚀 नी\u200cल <b>&amp;</b>"

    assert printable(text, longest=100) == text.replace("\r\n", "\n").replace("\u2028", "\n")


def test_a_text_that_is_cut_says_so_whatever_its_line_breaks_are() -> None:
    assert printable("a\r\n" * 10, longest=20) == "a\n" * 10
    assert printable("a\r\n" * 11, longest=20) == "a\n" * 9 + "a…"


@given(text=st.text(), longest=st.integers(1, 50))
def test_no_text_is_longer_than_it_may_be(text: str, longest: int) -> None:
    found = printable(text, longest=longest)

    assert len(found) <= longest
    assert all(character.isprintable() or character not in "\r\x00\x1b\u202e" for character in found)


@pytest.mark.parametrize("columns", [30, 3])
def test_the_samples_of_the_worst_table_take_little_room(tmp_path: Path, columns: int) -> None:
    names = ["\U0001f9ea" * 100 + letter for letter in (string.ascii_letters * 2)[:columns]]
    path = parquet(
        tmp_path / "d.parquet",
        **{name: ["\U0001f9ea" * 500 + str(row % 2) for row in range(30)] for name in names},
        label=[0, 1] * 15,
    )

    found = shown(path, range(30))

    assert len(found) == 30
    assert sum(len(sample.model_dump_json()) for sample in found.values()) < 100_000
    assert sum(len(sample.model_dump_json().encode()) for sample in found.values()) < 400_000


# --- in the report ----------------------------------------------------------------------------------------------------


def example(row: int) -> ReportExample:
    return ReportExample(row_index=row, sample_key=None, label="a", kept=True, internal_generalization=0.5, score=0.5)


def test_examples_of_every_kind_get_their_samples() -> None:
    examples = ReportExamples(
        kept=(example(5), example(2)), well_generalized=(example(7),), poorly_generalized=(example(2), example(9))
    )
    samples = {row: ReportSample(text=str(row)) for row in (2, 5, 7)}

    found = examples.with_samples(samples)

    assert examples.rows == (2, 5, 7, 9)
    assert [row.sample and row.sample.text for row in found.kept] == ["5", "2"]
    assert [row.sample and row.sample.text for row in found.well_generalized] == ["7"]
    assert [row.sample and row.sample.text for row in found.poorly_generalized] == ["2", None]


def test_reports_without_samples_can_still_be_read() -> None:
    earlier = example(5).model_dump(exclude={"sample"})

    assert ReportExample.model_validate(earlier) == example(5)
