"""Tokens and features of texts are kept for later jobs, within a limit."""

import os
from pathlib import Path

from worker.cache import trim


def kept(folder: Path, *, ages: dict[str, int]) -> None:
    for name, age in ages.items():
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    kept(tmp_path, ages={"old": 30, "older": 40, "new": 10, "newest": 5})

    trim(tmp_path, at_most=250)

    assert {path.name for path in tmp_path.iterdir()} == {"new", "newest"}


def test_within_the_limit_everything_stays(tmp_path: Path) -> None:
    kept(tmp_path, ages={"one": 1, "two": 2})

    trim(tmp_path, at_most=200)

    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    trim(tmp_path / "missing", at_most=0)

    assert not (tmp_path / "missing").exists()


def test_what_somebody_is_writing_stays(tmp_path: Path) -> None:
    (tmp_path / "tokens.partial.arrow").write_bytes(b"x" * 100)
    (tmp_path / "left.partial.arrow").write_bytes(b"x" * 100)
    os.utime(tmp_path / "left.partial.arrow", (1, 1))

    trim(tmp_path, at_most=0)

    assert [path.name for path in tmp_path.iterdir()] == ["tokens.partial.arrow"]
