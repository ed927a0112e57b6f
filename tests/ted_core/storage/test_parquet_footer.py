"""Footers that this process does not read itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ted_core.errors import DatasetUnreadable, MissingValues
from ted_core.storage import parquet_footer
from ted_core.storage.parquet_footer import COMMAND, LONGEST_TRUSTED, SIZE_BYTES, Footer, FooterReader
from tests.ted_core.datasets.files import inspected, refused_on_sight
from tests.ted_core.datasets.forged import deep_paths

COLUMNS, GROUPS, ROWS = 60, 20, 200


def wide(path: Path, *, nulls: int = 0) -> Path:
    """A table with as long a footer as many honest ones have."""
    numbers = pa.array([None if row < nulls else float(row) for row in range(ROWS)], pa.float64())
    table = pa.table({f"x{column}": numbers for column in range(COLUMNS)} | {"label": np.arange(ROWS) % 2})
    pq.write_table(table, path, row_group_size=ROWS // GROUPS)
    assert length(path) > LONGEST_TRUSTED
    return path


def length(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[-8:-4], "little")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[psutil.Process]]:
    """The processes that were started; none may be left."""
    processes: list[psutil.Process] = []
    start = parquet_footer._start

    def recorded() -> subprocess.Popen[bytes]:
        process = start()
        processes.append(psutil.Process(process.pid))
        return process

    monkeypatch.setattr(parquet_footer, "_start", recorded)
    yield processes
    assert [process for process in processes if process.is_running()] == []
    assert parquet_footer.PROCESS_SLOTS.acquire(blocking=False) and parquet_footer.PROCESS_SLOTS.acquire(
        blocking=False
    ), "all slots are free again"
    parquet_footer.PROCESS_SLOTS.release(2)


def test_a_short_footer_is_read_here(tmp_path: Path, started: list[psutil.Process]) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0], "label": [0, 1]}), tmp_path / "short.parquet")

    assert inspected(tmp_path / "short.parquet").rows == 2
    assert started == []


def test_a_long_footer_tells_the_same_from_another_process(tmp_path: Path, started: list[psutil.Process]) -> None:
    content = wide(tmp_path / "wide.parquet", nulls=30).read_bytes()

    with FooterReader() as reader:
        footer = reader.read(content, length=length(tmp_path / "wide.parquet"))

    assert footer == Footer.read(content)
    assert footer.nulls == {f"x{column}": 30 for column in range(COLUMNS)}
    assert len(started) == 1


def test_all_long_footers_of_a_dataset_are_read_by_one_process(tmp_path: Path, started: list[psutil.Process]) -> None:
    for number in range(12):
        wide(tmp_path / f"part-{number:02}.parquet")

    assert inspected(tmp_path).rows == 12 * ROWS
    assert len(started) == 1


def test_nulls_that_a_long_footer_shows_are_refused(tmp_path: Path, started: list[psutil.Process]) -> None:
    error = refused_on_sight(MissingValues, wide(tmp_path / "wide.parquet", nulls=3))

    assert "Column 'x0' of wide.parquet has 3 nulls" in error.fact


def test_a_footer_that_takes_too_much_memory_is_refused_and_the_next_one_is_read(
    tmp_path: Path, started: list[psutil.Process]
) -> None:
    forged, honest = deep_paths(tmp_path / "forged.parquet", columns=14_000), wide(tmp_path / "wide.parquet")
    assert length(forged) < 200_000

    with FooterReader() as reader:
        with pytest.raises(pa.ArrowInvalid, match="takes more than 512 MiB of memory or 20 s"):
            reader.read(forged.read_bytes(), length=length(forged))
        assert reader.read(honest.read_bytes(), length=length(honest)).rows == ROWS

    assert 1 <= len(started) <= 2


def test_what_is_wrong_with_a_long_footer_is_said_as_of_a_short_one(
    tmp_path: Path, started: list[psutil.Process]
) -> None:
    path = wide(tmp_path / "wide.parquet")
    content = bytearray(path.read_bytes())
    start = len(content) - 8 - length(path)
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(content)

    assert "wide.parquet is not a Parquet file" in refused_on_sight(DatasetUnreadable, path).fact


def test_a_process_that_is_killed_is_a_refusal_and_no_defect(tmp_path: Path, started: list[psutil.Process]) -> None:
    content = wide(tmp_path / "wide.parquet").read_bytes()
    with FooterReader() as reader:
        reader.read(content, length=LONGEST_TRUSTED + 1)
        started[0].kill()
        started[0].wait(5)

        with pytest.raises(pa.ArrowInvalid, match="takes more than"):
            reader.read(content, length=LONGEST_TRUSTED + 1)


def test_the_other_process_imports_no_dataset_code_and_warns_of_nothing() -> None:
    strict = os.environ | {"PYTHONWARNINGS": "error"}

    ended = subprocess.run(COMMAND, check=False, input=b"", capture_output=True, timeout=60, env=strict)
    imported = "import sys, ted_core.storage.parquet_footer; sys.exit('ted_core.datasets' in sys.modules)"

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert subprocess.run([sys.executable, "-c", imported], check=False, timeout=60).returncode == 0


def test_who_takes_too_long_over_a_footer_is_ended(tmp_path: Path) -> None:
    content = deep_paths(tmp_path / "forged.parquet", columns=14_000).read_bytes()
    hurried = (
        "import sys, ted_core.storage.parquet_footer as f; "
        "f.SECONDS = 0.2; f.answer_all(sys.stdin.buffer, sys.stdout.buffer)"
    )
    question = len(content).to_bytes(SIZE_BYTES, "big") + content

    ended = subprocess.run(
        [sys.executable, "-c", hurried], check=False, input=question, capture_output=True, timeout=60
    )

    assert ended.returncode == -signal.SIGPROF
    assert ended.stdout == b""
