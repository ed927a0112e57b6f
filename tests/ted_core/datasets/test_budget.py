"""Rows are counted as far as the budget goes; what is known without them is told all the same."""

import bz2
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ted_core.datasets import DatasetSummary, summary_cache
from ted_core.datasets.budget import Budget, current_budget, limited, within_budget
from ted_core.errors import DatasetUnreadable, UnknownColumn, UnusableInputs
from tests.ted_core.datasets.files import IMAGES, arrow_file, image, inspected, lines, loaded, parquet, refused_on_sight

ROWS = 40
SPENT = 0.0
TABLE = {"x": [float(row) for row in range(ROWS)], "label": [row % 2 for row in range(ROWS)]}


@pytest.fixture(autouse=True)
def nothing_is_cached() -> Iterator[None]:
    summary_cache._summaries.clear()
    yield
    summary_cache._summaries.clear()


def in_no_time(path: Path, **choices: object) -> DatasetSummary:
    """What is known of the dataset if the budget is spent at once."""
    with limited(Budget(seconds=SPENT)):
        return inspected(path, **choices)


def parquet_shards(folder: Path) -> Path:
    for number in range(3):
        parquet(folder / f"part-{number}.parquet", **TABLE)
    return folder


def arrow_files(folder: Path) -> Path:
    for number in range(3):
        arrow_file(folder / f"part-{number}.arrow", **TABLE)
    return folder


def text(suffix: str, compress: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        content = CONTENTS[suffix].encode()
        (folder / f"rows.{suffix}.packed").write_bytes(compress(content))
        (folder / f"rows.{suffix}.packed").rename(folder / f"rows.{suffix}")
        return folder / f"rows.{suffix}"

    return write


CONTENTS = {
    "jsonl": "".join(json.dumps({"x": row, "label": row % 2}) + "\n" for row in range(6_000)),
    "csv": "x,label\n" + "".join(f"{row},{row % 2}\n" for row in range(100_000)),
}


def archive(folder: Path) -> Path:
    with tarfile.open(folder / "train.tar", "w") as tar:
        for row in range(ROWS):
            for suffix, content in (("png", image(row)), ("cls", str(row % 2).encode())):
                member = tarfile.TarInfo(f"{row:02}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder / "train.tar"


def zstandard(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


DATASETS = {
    "parquet": (parquet_shards, {}),
    "arrow": (arrow_files, {"format": "arrow"}),
    "jsonl": (text("jsonl", bytes), {"format": "jsonl"}),
    "jsonl.gz": (text("jsonl", gzip.compress), {"format": "jsonl"}),
    "jsonl.bz2": (text("jsonl", bz2.compress), {"format": "jsonl"}),
    "csv": (text("csv", bytes), {"format": "csv"}),
    "csv.gz": (text("csv", gzip.compress), {"format": "csv"}),
    "webdataset": (archive, {"format": "webdataset", "task": IMAGES}),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_columns_are_known_where_the_rows_are_not(kind: str, tmp_path: Path) -> None:
    write, choices = DATASETS[kind]
    path = write(tmp_path)

    early, late = in_no_time(path, **choices), inspected(path, **choices)

    assert early.rows is None
    assert late.rows
    assert early.columns == late.columns
    assert late.matches(early.change_token)


def test_a_budget_that_suffices_changes_nothing(tmp_path: Path) -> None:
    path = parquet_shards(tmp_path)

    with limited(Budget(seconds=60, text_bytes=1 << 20)):
        assert inspected(path) == inspected(path)
        assert inspected(path).rows == 3 * ROWS


def test_bytes_are_limited_as_well_as_seconds(tmp_path: Path) -> None:
    path = text("jsonl", gzip.compress)(tmp_path)

    with limited(Budget(text_bytes=1000)):
        assert inspected(path, format="jsonl").rows is None


def test_what_was_cut_short_of_one_file_is_not_remembered(tmp_path: Path) -> None:
    path = text("csv", bytes)(tmp_path)

    assert in_no_time(path, format="csv").rows is None
    assert inspected(path, format="csv").rows == 100_000


def test_a_line_that_fills_the_budget_is_left_to_the_worker(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", json.dumps({"x": "long" * 3_000_000, "label": 1}))

    summary = in_no_time(path, format="jsonl")

    assert (summary.rows, summary.columns) == (None, ())


def test_a_type_that_further_rows_may_widen_is_left_to_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + ",\n" * 70_000 + "x,0\n")
    choices = {"format": "csv", "task": "text-classification"}

    early = in_no_time(path, **choices)

    assert (early.rows, early.columns) == (None, ("text", "label"))


def test_a_column_that_is_not_in_the_header_is_refused_whatever_the_budget(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumn):
        in_no_time(text("csv", bytes)(tmp_path), format="csv", input="y")


def test_types_that_a_schema_states_are_checked_whatever_the_budget(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputs):
        in_no_time(parquet_shards(tmp_path), task="text-classification", input="x")


def test_a_folder_whose_images_are_not_all_listed_is_accepted(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(image())

    early = in_no_time(tmp_path, format="image-folder", task=IMAGES)

    assert early.rows is None
    assert early.columns == ("image", "label", "sample_key")
    assert early.matches(early.change_token) is None, "it may be any other"
    refused_on_sight(DatasetUnreadable, tmp_path, format="image-folder", task=IMAGES)


@pytest.mark.parametrize("kind", ["parquet", "jsonl.gz"])
def test_a_changed_dataset_is_recognized_though_its_rows_were_never_counted(kind: str, tmp_path: Path) -> None:
    write, choices = DATASETS[kind]
    path = write(tmp_path)
    before = in_no_time(path, **choices)

    assert in_no_time(path, **choices).matches(before.change_token)
    next(path.glob("*") if path.is_dir() else iter([path])).touch()

    assert inspected(path, **choices).matches(before.change_token) is False
    assert in_no_time(path, **choices).matches(before.change_token) is False


def test_a_token_with_rows_says_nothing_to_a_look_without(tmp_path: Path) -> None:
    path = parquet_shards(tmp_path)
    whole = inspected(path)
    summary_cache._summaries.clear()

    assert in_no_time(path).matches(whole.change_token) is None
    assert whole.matches(whole.change_token) is True
    assert whole.matches("0" * 64) is False


def test_loading_knows_no_budget(tmp_path: Path) -> None:
    path = parquet_shards(tmp_path)

    with limited(Budget(seconds=SPENT)):
        assert in_no_time(path).rows is None

    assert len(loaded(path)) == 3 * ROWS


def test_a_spent_budget_stays_spent() -> None:
    with limited(Budget(seconds=SPENT)):
        assert list(within_budget("abc")) == []
        assert not current_budget().counted
    assert list(within_budget("abc")) == ["a", "b", "c"]
