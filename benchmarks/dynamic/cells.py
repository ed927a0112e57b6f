"""One cell: every method on the same samples with the same budget of row visits, in both readings."""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.dynamic.methods import RIVALS, TED, DynamicRun, Run, Situation
from benchmarks.harness import machine, workers
from benchmarks.harness.result_set import ResultSet
from benchmarks.setting import Folders, Setting, SettingData, load_setting
from benchmarks.weighting.judging import Probabilities

RESULTS = ResultSet(
    "dynamic",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.float64(),
            "seed": pa.int64(),
            "epochs": pa.int64(),  # of a full run
            "rows_train": pa.int64(),
            "rows_test": pa.int64(),
            "share": pa.float64(),  # of a full run's row visits, which is what each method may spend
            "counted": pa.bool_(),  # whether that includes what selecting takes
            "method": pa.string(),
            "accuracy": pa.float64(),  # null if the budget is too small
            "accuracy_alone": pa.float64(),  # of one model, on average; null where there is only one
            "visits": pa.float64(),  # of training of the judged models, in full runs
            "work": pa.float64(),  # with what selecting takes, in full runs
            **machine.COLUMNS,
        }
    ),
)

MEASURED = ("accuracy", "accuracy_alone", "visits", "work")


@dataclass(frozen=True)
class DynamicCell:
    """Everything that the numbers depend on."""

    setting: Setting
    share: float

    def file(self, results: Path) -> Path:
        """Return the path of the cell's rows once it is finished."""
        return RESULTS.path(results, f"{self.setting.name}-visits{self.share:g}.parquet")


def run_cell(cell: DynamicCell, say: workers.Say, *, folders: Folders) -> None:
    """Measure one cell and write its rows."""
    RESULTS.fill(cell.file(folders.results), lambda: measure_cell(cell, load_setting(cell.setting, folders)), say=say)


def measure_cell(cell: DynamicCell, data: SettingData) -> list[dict[str, Any]]:
    """Train by every method; those that select beforehand also with a budget that includes it."""
    situation = Situation(data, cell.share)
    shared = cell.setting.columns | data.columns | machine.versions()
    shared |= {"rows_test": len(data.test), "share": cell.share}
    runs = [(name, run, False) for name, run in {**RIVALS, **TED}.items()]
    runs += [(name, run, True) for name, run in TED.items()]
    return [shared | _columns(name, run, situation, counted=counted) for name, run, counted in runs]


def _columns(name: str, run: Run, situation: Situation, *, counted: bool) -> dict[str, Any]:
    done, full = run(situation, counted), situation.data.epochs * situation.rows
    if done is None:
        return {"method": name, "counted": counted, **dict.fromkeys(MEASURED)}
    spent = {"visits": done.visits / full, "work": done.work / full}
    return {"method": name, "counted": counted, **_judged(done, situation.data), **spent}


def _judged(done: DynamicRun, data: SettingData) -> dict[str, float | None]:
    """Return the accuracy of the models' average, and that of one alone if there are several."""
    together = np.mean(done.models, axis=0)
    alone = mean(_accuracy(model, data) for model in done.models) if len(done.models) > 1 else None
    return {"accuracy": _accuracy(together, data), "accuracy_alone": alone}


def _accuracy(probabilities: Probabilities, data: SettingData) -> float:
    return float((probabilities.argmax(1) == data.test.labels).mean())
