"""One cell: a number of rows and a keep ratio. Every step runs in a process of its own; finished cells stay."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import pyarrow as pa

from benchmarks.harness import machine
from benchmarks.harness.result_set import ResultSet
from benchmarks.harness.workers import Say
from benchmarks.scale.metering import Metered
from benchmarks.scale.steps import STEPS, Job

RESULTS = ResultSet(
    "scale",
    pa.schema(
        {
            "rows": pa.int64(),
            "kept": pa.float64(),
            "step": pa.string(),
            "wall_seconds": pa.float64(),
            "processor_seconds": pa.float64(),
            "before_bytes": pa.int64(),  # anonymous memory of the process when the step began
            "peak_bytes": pa.int64(),  # the most that it had during the step
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class ScaleCell:
    """Everything that the numbers depend on."""

    rows: int
    kept: float

    def file(self, results: Path) -> Path:
        """Return the path of the cell's rows once it is finished."""
        return RESULTS.path(results, f"rows{self.rows}-kept{self.kept:g}.parquet")


def run_cell(cell: ScaleCell, say: Say, *, results: Path) -> None:
    """Measure one cell and write its rows; what the steps write is removed."""
    folder = results / f"files-{cell.rows}"
    try:
        RESULTS.fill(cell.file(results), lambda: measure_cell(cell, folder), say=say)
    finally:
        rmtree(folder, ignore_errors=True)


def measure_cell(cell: ScaleCell, folder: Path) -> list[dict[str, Any]]:
    """Measure all steps, one process after the other."""
    job, context = Job(cell.rows, cell.kept, folder), multiprocessing.get_context("spawn")
    found = []
    for name in STEPS:
        with ProcessPoolExecutor(1, mp_context=context) as process:
            found += process.submit(measure_steps, name, job).result()
    return [{"rows": cell.rows, "kept": cell.kept, **row, **machine.versions()} for row in found]


def measure_steps(name: str, job: Job) -> list[dict[str, Any]]:
    """Measure one process's steps, and leave their results behind."""
    return [{"step": step, **_cost(measured)} for step, measured in STEPS[name](job)]


def _cost(measured: Metered[Any]) -> dict[str, Any]:
    names = ("wall_seconds", "processor_seconds", "before_bytes", "peak_bytes")
    return {name: getattr(measured, name) for name in names}
