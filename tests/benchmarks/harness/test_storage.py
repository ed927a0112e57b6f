"""A file is there whole, or not at all."""

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.harness import storage

SCHEMA = pa.schema({"name": pa.string(), "value": pa.float64()})


def test_rows_come_back_from_all_folders_in_the_order_of_file_names(tmp_path: Path) -> None:
    storage.write(tmp_path / "b" / "2.parquet", [{"name": "third", "value": 3.0}], schema=SCHEMA)
    storage.write(tmp_path / "a" / "1.parquet", [{"name": "first", "value": None}, {"name": "second"}], schema=SCHEMA)

    rows = storage.read([tmp_path / "a", tmp_path / "b"], schema=SCHEMA)

    assert [row["name"] for row in rows] == ["first", "second", "third"]
    assert [row["value"] for row in rows] == [None, None, 3.0]


def test_what_was_not_finished_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".half.123.parquet").write_bytes(b"PAR1")

    assert storage.read([tmp_path], schema=SCHEMA) == []
    assert storage.read([tmp_path / "nowhere"], schema=SCHEMA) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "found.txt"
    path.write_text("old")

    with pytest.raises(ZeroDivisionError), storage.durably(path) as unfinished:
        unfinished.write_text("half")
        1 / 0  # noqa: B018

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_command_is_noted_once(tmp_path: Path) -> None:
    for _ in range(2):
        storage.note_command("benchmarks.noise", tmp_path, ["here", "--seeds", "2"], folders={"here": "DATA"})
    storage.note_command("benchmarks.noise", tmp_path, ["here"], folders={"here": "DATA"})

    assert storage.commands_in([tmp_path]) == [
        "python -m benchmarks.noise DATA --seeds 2",
        "python -m benchmarks.noise DATA",
    ]
