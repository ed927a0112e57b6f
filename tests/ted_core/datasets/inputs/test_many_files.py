"""A dataset of a thousand files is looked at in little time and memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ted_core.datasets.files import IMAGES, TABLE, image, jsonl, lines, parquet
from tests.ted_core.datasets.inputs.peak_memory import PEAK_MEGABYTES

FILES, ROWS = 1000, 20
PROCESSOR_SECONDS, MEGABYTES = 6, 300
"""A look takes half as long where no other test runs beside it."""
LOOK = f"""
{PEAK_MEGABYTES}
import json, sys, time
from ted_core.datasets import DatasetSpec, inspect
from ted_core.datasets.budget import Budget, limited
started = time.process_time()
with limited(Budget(60.0, 1 << 30)):
    summary = inspect(DatasetSpec(uri=sys.argv[1], task=sys.argv[2]), roots=[Path("/")])
print(json.dumps([summary.rows, summary.understood.file_count, time.process_time() - started, peak_megabytes()]))
"""


def columns(part: int) -> dict[str, list[float] | list[int]]:
    return {"x": [float(part + row) for row in range(ROWS)], "label": [row % 2 for row in range(ROWS)]}


def parquet_files(folder: Path) -> None:
    for part in range(FILES):
        parquet(folder / f"{part:04}.parquet", **columns(part))


def csv_files(folder: Path) -> None:
    for part in range(FILES):
        rows = zip(*columns(part).values(), strict=True)
        lines(folder / f"{part:04}.csv", "x,label", *(f"{value},{label}" for value, label in rows))


def json_files(folder: Path) -> None:
    for part in range(FILES):
        jsonl(folder / f"{part:04}.jsonl", **columns(part))


def images(folder: Path) -> None:
    picture = image()
    for number in range(FILES):
        path = folder / str(number % 10) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture)


@pytest.mark.parametrize(
    ("write", "task", "rows"),
    [
        (parquet_files, TABLE, FILES * ROWS),
        (csv_files, TABLE, FILES * ROWS),
        (json_files, TABLE, FILES * ROWS),
        (images, IMAGES, FILES),
    ],
)
def test_a_thousand_files_are_looked_at_in_seconds_and_300_megabytes(
    tmp_path: Path, write: Callable[[Path], None], task: str, rows: int
) -> None:
    write(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path), task], capture_output=True, text=True, check=True, timeout=120
    )

    counted, files, seconds, megabytes = json.loads(done.stdout)
    assert (counted, files) == (rows, 1 if task == IMAGES else FILES)
    assert seconds < PROCESSOR_SECONDS
    assert megabytes < MEGABYTES
