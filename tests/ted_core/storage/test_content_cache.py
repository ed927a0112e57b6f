"""What is kept for later jobs stays within a limit."""

import os
import time
from pathlib import Path

from ted_core.storage.content_cache import load_or_create as cached
from ted_core.storage.content_cache import trim, unfinished_file


def kept(folder: Path, *, ages: dict[str, int]) -> None:
    for name, age in ages.items():
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    kept(tmp_path, ages={"old": 30, "older": 40, "new": 10, "newest": 5})

    trim(tmp_path, at_most=250)

    assert {path.name for path in tmp_path.iterdir()} == {"new", "newest"}


def test_what_is_found_again_counts_as_used(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"x" * 100)

    def found(key: str) -> bytes:
        return cached(tmp_path, key, ".x", write=write, read=Path.read_bytes)

    for key in ("mine", "mine", "newer", "mine"):  # the second reading is the last that the disk notes that day
        found(key)
        time.sleep(0.02)

    trim(tmp_path, at_most=100)

    assert [path.name.partition(".")[0] for path in tmp_path.iterdir()] == ["mine"]


def test_within_the_limit_everything_stays(tmp_path: Path) -> None:
    kept(tmp_path, ages={"one": 1, "two": 2})

    trim(tmp_path, at_most=200)

    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    trim(tmp_path / "missing", at_most=0)

    assert not (tmp_path / "missing").exists()


def test_what_somebody_is_writing_stays(tmp_path: Path) -> None:
    with unfinished_file(tmp_path) as unfinished:
        os.utime(unfinished, (1, 1))

        trim(tmp_path, at_most=-1)

        assert unfinished.exists()
    assert not unfinished.exists()


def test_what_a_writer_that_died_left_behind_goes(tmp_path: Path) -> None:
    kept(tmp_path, ages={"left.partial": 0})

    trim(tmp_path, at_most=0)

    assert list(tmp_path.iterdir()) == []


def test_what_has_only_just_been_begun_stays(tmp_path: Path) -> None:
    (tmp_path / "new.partial").write_bytes(b"x")

    trim(tmp_path, at_most=0)

    assert (tmp_path / "new.partial").exists()


def test_a_folder_that_is_being_written_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "model.partial").mkdir()
    (tmp_path / "model.partial" / "config.json").write_bytes(b"x")

    trim(tmp_path, at_most=0)

    assert (tmp_path / "model.partial" / "config.json").exists()
