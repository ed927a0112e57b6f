"""Several files are one dataset: which files, and in what order."""

import os
from pathlib import Path
from typing import Any

import pytest

from ted_core.datasets import DatasetSpec, identify, inspect
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import files_with
from ted_core.errors import DatasetNotAllowed, DatasetNotFound, DatasetUnreadable
from ted_core.warnings import JobWarning
from tests.ted_core.datasets.files import inspected, loaded, parquet, refused_on_sight, spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    for number, name in enumerate(("part-1", "part-10", "part-2", "other", "[part]-3", ".part-0")):
        parquet(path / f"{name}.parquet", x=[number], label=[number])
    return path


def read(path: Path) -> list[float]:
    return [value for (value,) in loaded(path).inputs.tolist()]


def test_a_pattern_names_the_files_that_match_it_in_name_order(folder: Path) -> None:
    assert read(folder / "part-*.parquet") == [0, 1, 2]
    assert read(folder / "part-*") == [0, 1, 2]
    assert read(folder / "*t*1*.parquet") == [0, 1]


def test_a_pattern_may_be_a_uri(folder: Path) -> None:
    spec = DatasetSpec(uri=f"file://{folder}/part-*.parquet", task="tabular-classification")

    assert inspect(spec, roots=[folder]).rows == 3


def test_hidden_files_are_passed_over(folder: Path) -> None:
    assert read(folder / "*") == read(folder) == [4, 3, 0, 1, 2]


def test_only_the_asterisk_means_something_else_than_itself(folder: Path) -> None:
    parquet(folder / "[part]-4.parquet", x=[7], label=[7])

    assert read(folder / "[part]-*") == [4, 7]


def test_a_name_that_is_not_utf_8_is_refused_where_it_counts(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/part-\xff.parquet")).write_bytes(b"")

    assert r"part-\udcff.parquet' is no name in UTF-8" in refused_on_sight(DatasetUnreadable, folder).fact
    assert read(folder / "part-1*") == [0, 1]


def test_a_file_whose_name_holds_an_asterisk_is_that_file(folder: Path) -> None:
    parquet(folder / "part-*.parquet", x=[8, 9], label=[8, 9])

    assert read(folder / "part-*.parquet") == [8, 9]


def test_a_pattern_without_matches_is_not_found(folder: Path) -> None:
    assert refused_on_sight(DatasetNotFound, folder / "shard-*.parquet").field == "dataset.uri"


@pytest.mark.parametrize("path", ["missing/*.parquet", "*/part-1.parquet", "part-1.parquet/*", "n" * 300 + "*"])
def test_a_pattern_stands_for_files_in_one_folder_that_exists(folder: Path, path: str) -> None:
    with pytest.raises(DatasetNotFound):
        inspect(DatasetSpec(uri=f"{folder}/{path}", task="tabular-classification"), roots=[folder])


def test_a_pattern_outside_the_roots_tells_nothing(folder: Path) -> None:
    with pytest.raises(DatasetNotAllowed):
        inspect(DatasetSpec(uri=f"{folder}/*.parquet", task="tabular-classification"), roots=[folder / "deep"])


def test_a_match_that_is_a_link_to_the_outside_is_refused(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "inside" / "part-0.parquet").symlink_to(folder / "other.parquet")

    with pytest.raises(DatasetNotAllowed):
        inspect(DatasetSpec(uri=f"{folder}/inside/*", task="tabular-classification"), roots=[folder / "inside"])


def test_a_folder_among_the_matches_is_refused(folder: Path) -> None:
    (folder / "part-5").mkdir()

    assert "part-5 is no regular file" in refused_on_sight(DatasetUnreadable, folder / "part-*").fact


def test_a_folder_without_files_of_the_format_is_refused_with_their_names(tmp_path: Path) -> None:
    error = refused_on_sight(DatasetUnreadable, tmp_path, format="csv")

    assert "*.csv or *.csv.gz or *.csv.bz2 or *.csv.zst or *.tsv" in error.fact


def test_a_folder_that_went_away_meanwhile_is_unreadable(folder: Path) -> None:
    spec = DatasetSpec(uri=str(folder / "gone"), task="tabular-classification")

    with pytest.raises(DatasetUnreadable, match="cannot be listed"):
        files_with(".parquet")(Source.at(folder / "gone" / "*.parquet"), spec)


def test_the_guard_counts_the_files_that_match(folder: Path) -> None:
    before = inspected(folder / "part-*")

    parquet(folder / "part-3.parquet", x=[5], label=[5])

    assert inspected(folder / "part-*").change_token != before.change_token


def test_a_pattern_of_many_asterisks_is_refused_at_once(folder: Path) -> None:
    error = refused_on_sight(DatasetNotFound, folder / ("*" * 40 + "x"))

    assert error.fact == "A pattern may hold 8 asterisks; this one holds 40"


# --- files passed over ------------------------------------------------------------------------------------------------


def passed_over(path: Path, **choices: Any) -> tuple[dict[str, str], tuple[JobWarning, ...]]:
    """What is noted of the other files, and what is warned about."""
    summary = inspected(path, **choices)
    assert summary.understood
    assert loaded(path, **choices).warnings == summary.warnings
    return {one.name: one.reason for one in summary.understood.passed_over}, summary.warnings


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", "_SUCCESS", "notes.txt", "state.json", "part-1.parquet.crc", "a.sha256", "make.py"]
)
def test_what_documents_the_data_is_noted(folder: Path, name: str) -> None:
    (folder / name).write_text("")

    assert passed_over(folder, format="parquet") == ({name: "no .parquet"}, ())


@pytest.mark.parametrize(
    "name", ["more.csv", "more.parquet.xz", "old.pq", "part-00004", "x.jsonl.gz", "x.tar", "x.zip"]
)
def test_what_may_be_data_is_warned_about(folder: Path, name: str) -> None:
    (folder / name).write_text("")

    noted, (warning,) = passed_over(folder, format="parquet")

    assert noted == {name: "no .parquet"}
    assert (warning.code, warning.field) == ("files_passed_over", "dataset.uri")
    assert warning.message.startswith(
        f"1 of what lies in {folder} is not read: {name} (no .parquet). Rename or convert"
    )


def test_a_folder_is_noted_and_warned_about_if_it_holds_such_files(folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "more" / "deep").mkdir(parents=True)
    parquet(folder / "more" / "deep" / "part-9.parquet", x=[0.0], label=[0])

    noted, (warning,) = passed_over(folder)

    assert noted == {"docs/": "a folder", "more/": "a folder, which is named by itself"}
    assert "more/" in warning.message
    assert "docs/" not in warning.message


def test_of_many_files_a_hundred_are_named_and_five_warned_about(folder: Path) -> None:
    for number in range(300):
        (folder / f"{number:03}.csv").write_text("")

    summary = inspected(folder, format="parquet")

    assert summary.understood
    assert (len(summary.understood.passed_over), summary.understood.passed_over_count) == (100, 300)
    (warning,) = summary.warnings
    assert warning.message.startswith(f"300 of what lies in {folder} is not read: 000.csv, 001.csv, 002.csv, 003.csv, ")


def test_a_pattern_is_meant_as_it_is_written(folder: Path) -> None:
    (folder / "more.csv").write_text("")

    assert passed_over(folder / "*.parquet") == ({}, ())


def test_names_that_are_no_utf_8_are_named_all_the_same(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/more-\xff.csv")).write_bytes(b"")

    (warning,) = inspected(folder, format="parquet").warnings

    assert r"more-\udcff.csv" in warning.message


def test_identifying_a_dataset_warns_of_nothing(folder: Path) -> None:
    (folder / "more.csv").write_text("")

    assert identify(spec(folder, format="parquet"), roots=[folder]).rows == 5
