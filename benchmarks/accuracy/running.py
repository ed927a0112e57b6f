"""Run cells. Finished cells stay finished if the run is stopped."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy.cells import FULL, RESULTS, Cell, group_by_setting
from benchmarks.accuracy.methods import METHODS
from benchmarks.fresh_models import Evaluation, evaluate_fresh_model
from benchmarks.harness import machine, workers
from benchmarks.harness.result_set import unfinished
from benchmarks.setting import Folders, Selection, SettingData, load_setting

BUDGETS: Mapping[str, Callable[[int, int, int, int], int]] = {
    "epochs": lambda epochs, _, __, ___: epochs,
    "steps": lambda epochs, rows, kept, _: round(epochs * rows / kept),
    "work": lambda epochs, rows, kept, spent: max(0, round((epochs * rows - spent) / kept)),
}
"""(epochs of a full run, all rows, rows kept, row-visits spent on selecting) → the fresh model's epochs.

``epochs``: as many as a full run has, each of fewer steps. ``steps``: as many steps as a full run. ``work``: what a
full run would have left after the training that the selection took.
"""


def run_cells(cells: Sequence[Cell], say: workers.Say, *, folders: Folders) -> None:
    """Measure these cells, which share training samples, and write their rows.

    A cell that fails is reported and left unfinished.
    """
    data = load_setting(cells[0].setting, folders)
    for cell in cells:
        began = time.perf_counter()
        try:
            row = measure_cell(cell, data, folders)
        except Exception as error:  # one cell's failure is not the next one's
            say(f"{cell.name} FAILED: {type(error).__name__}: {error}")
            continue
        RESULTS.write(cell.file(folders.results), [row])
        say(f"{cell.name} {row['accuracy'] or float('nan'):.4f} in {time.perf_counter() - began:.1f} s")


def measure_cell(cell: Cell, data: SettingData, folders: Folders) -> dict[str, Any]:
    """Select, train and test; return the cell's row."""
    method, epochs = METHODS[cell.method], data.epochs
    selection, kept = method.select(data, cell.kept), data.rows_kept(cell.kept)
    affordable = BUDGETS[cell.budget](epochs, len(data.train), kept, selection.rows_trained)
    train = partial(method.train, data, selection, kept, affordable)
    fresh = evaluate_fresh_model(train, data.test) if affordable else None
    return (
        _cell_columns(cell, data)
        | _selection_columns(selection, data)
        | _accuracy_columns(cell, fresh, selection, folders)
        | {
            "epochs_trained": affordable,
            "rows_kept": kept,
            **machine.versions(),
        }
    )


def _cell_columns(cell: Cell, data: SettingData) -> dict[str, Any]:
    choices = {name: getattr(cell, name) for name in ("kept", "method", "budget")}
    return cell.setting.columns | data.columns | choices | {"rows_test": len(data.test)}


def _selection_columns(selection: Selection, data: SettingData) -> dict[str, Any]:
    retained, unseen, noise = selection.retained, selection.internal_generalization, data.flipped.any()
    return {
        "seconds_selecting": selection.seconds,
        "rows_trained_selecting": selection.rows_trained,
        "rows_measured_selecting": selection.rows_measured,
        "q_chosen": selection.q,
        "flipped_auc": roc_auc_score(data.flipped, 1 - unseen) if noise and unseen is not None else None,
        "flipped_kept": float(data.flipped[retained].mean()),
        "retained": np.packbits(retained).tobytes(),
    }


def _accuracy_columns(cell: Cell, fresh: Evaluation | None, selection: Selection, folders: Folders) -> dict[str, Any]:
    if fresh is None:
        return {"accuracy": None, "worst_class_accuracy": None, "seconds_training": 0.0}
    whole = fresh.seconds if cell.method == FULL else _seconds_of_full_run(cell, folders)
    return {
        "accuracy": fresh.accuracy,
        "worst_class_accuracy": fresh.worst_class_accuracy,
        "seconds_training": fresh.seconds,
        "seconds_full_run": whole,
        "cost_of_one_full_run": selection.seconds / whole if whole else None,
    }


def _seconds_of_full_run(cell: Cell, folders: Folders) -> float | None:
    file = cell.full.file(folders.results)
    rows = pyarrow.parquet.read_table(file, columns=["seconds_training"]).to_pylist() if file.exists() else []
    return rows[0]["seconds_training"] if rows else None


def run(cells: Sequence[Cell], folders: Folders, *, jobs: int, threads: int = 1) -> list[Cell]:
    """Run all unfinished cells and return those that failed."""
    groups = list(group_by_setting(unfinished(cells, folders.results)))
    workers.run(groups, partial(run_cells, folders=folders), jobs=jobs, threads=threads)
    return unfinished(cells, folders.results)
