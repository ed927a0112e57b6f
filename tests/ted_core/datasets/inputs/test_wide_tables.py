"""A look at a table takes time and memory in proportion to its columns, whatever the format."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from tests.ted_core.datasets.files import loaded
from tests.ted_core.datasets.inputs.peak_memory import PEAK_MEGABYTES

COLUMNS, ROWS = 20_000, 20
SECONDS, MEGABYTES = 3.0, 300
"""Of processor time, and of memory beyond what the process takes when idle."""
LOOK = f"""
{PEAK_MEGABYTES}
import json, sys, time
from ted_core.datasets import DatasetSpec, inspect
from ted_core.datasets.budget import Budget, limited

path = Path(sys.argv[1])
idle, started = peak_megabytes(), time.process_time()
with limited(Budget(2.0, 1 << 30, preview_seconds=1.0)):
    summary = inspect(DatasetSpec(uri=str(path), task="tabular-classification"), roots=[path.parent])
print(json.dumps([len(summary.columns), time.process_time() - started, peak_megabytes() - idle]))
"""


class Look(NamedTuple):
    columns: int
    seconds: float
    megabytes: int


def look_at(path: Path) -> Look:
    """What an inspection in a process of its own takes."""
    run = subprocess.run([sys.executable, "-c", LOOK, str(path)], capture_output=True, check=True)
    return Look(*json.loads(run.stdout))


def wide(path: Path, *, whole: bool) -> Path:
    """A table of fractions or of whole numbers that count the rows, in the format that the name shows."""
    numbers = np.arange(ROWS) if whole else np.arange(ROWS, dtype=np.float32) / 8
    columns = {f"g{number:05}": numbers for number in range(COLUMNS)}
    table = pa.table(columns | {"label": [0, 1] * (ROWS // 2)})
    WRITE[path.suffix](table, path)
    return path


def write_arrow(table: pa.Table, path: Path) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


WRITE = {".parquet": pq.write_table, ".arrow": write_arrow}


@pytest.mark.parametrize("name", ["data.parquet", "data.arrow"])
@pytest.mark.parametrize("whole", [True, False], ids=["counters", "fractions"])
def test_twenty_thousand_columns_take_less_than_three_seconds(tmp_path: Path, name: str, whole: bool) -> None:
    look = look_at(wide(tmp_path / name, whole=whole))

    assert look.columns == COLUMNS + 1
    assert look.seconds < SECONDS
    assert look.megabytes < MEGABYTES


def test_wide_tables_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "COLUMNS", 2000)

    assert loaded(wide(tmp_path / "data.parquet", whole=False)).inputs.shape == (ROWS, 2000)
