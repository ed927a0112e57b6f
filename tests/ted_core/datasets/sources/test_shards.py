"""Several files are one dataset: which files, and in what order."""

import os
from pathlib import Path

import pytest

from ted_core.datasets import DatasetSpec, inspect
from ted_core.datasets.sources.base import Source
from ted_core.datasets.sources.shards import files_with
from ted_core.errors import DatasetNotAllowed, DatasetNotFound, DatasetUnreadable
from tests.ted_core.datasets.files import inspected, loaded, parquet, refused_on_sight


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
