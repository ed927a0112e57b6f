"""The digits in several files, which ranks can divide among themselves."""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

SHARDS, SHARD_ROWS = 6, 300


@pytest.fixture(scope="session")
def shards(digits: Path) -> Path:
    """The digits in six Parquet files."""
    return shards_of(digits, digits.parent / "shards", _parquet)


@pytest.fixture(scope="session")
def archives(digits: Path) -> Path:
    """The digits in six archives of WebDataset."""
    return shards_of(digits, digits.parent / "archives", _archive)


def shards_of(digits: Path, folder: Path, write: Callable[[Path, Any], None]) -> Path:
    folder.mkdir()
    whole = pq.read_table(digits)
    for number in range(SHARDS):
        write(folder / f"{number}", whole.slice(number * SHARD_ROWS, SHARD_ROWS))
    return folder


def _parquet(path: Path, table: Any) -> None:
    pq.write_table(table, path.with_suffix(".parquet"))


def _archive(path: Path, table: Any) -> None:
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        for number, row in enumerate(table.to_pylist()):
            for suffix, content in (("png", row["image"]), ("cls", str(row["label"]).encode())):
                header = tarfile.TarInfo(f"{number}.{suffix}")
                header.size = len(content)
                archive.addfile(header, BytesIO(content))
