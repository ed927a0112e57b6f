"""Run cells. Finished cells stay finished if the run is stopped."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy.cells import FULL, RESULT, Cell, grouped, unfinished
from benchmarks.accuracy.methods import METHODS
from benchmarks.fresh import Judged, judged
from benchmarks.ground import Folders, Ground, Selection, ground_of
from benchmarks.harness import machine, storage, workers
from ted_core.proxies import resolve_proxy

BUDGETS: Mapping[str, Callable[[int, int, int, int], int]] = {
    "epochs": lambda epochs, _, __, ___: epochs,
    "steps": lambda epochs, rows, kept, _: round(epochs * rows / kept),
    "work": lambda epochs, rows, kept, spent: max(0, round((epochs * rows - spent) / kept)),
}
"""(epochs of a full run, all rows, rows kept, row-visits spent on selecting) → the fresh model's epochs.

``epochs``: as many as a full run has, each of fewer steps. ``steps``: as many steps as a full run. ``work``: what a
full run would have left after the training that the selection took.
"""


def finish(cells: Sequence[Cell], say: workers.Say, *, folders: Folders) -> None:
    """Finish these cells, which share training samples. A cell that fails is reported and left unfinished."""
    ground = ground_of(cells[0].setting, folders)
    for cell in cells:
        began = time.perf_counter()
        try:
            row = measured(cell, ground, folders)
        except Exception as error:  # one cell's failure is not the next one's
            say(f"{cell.name} FAILED: {type(error).__name__}: {error}")
            continue
        storage.write(cell.file(folders.results), [row], schema=RESULT)
        say(f"{cell.name} {row['accuracy'] or float('nan'):.4f} in {time.perf_counter() - began:.1f} s")


def measured(cell: Cell, ground: Ground, folders: Folders) -> dict[str, Any]:
    """Select, train and test; return the cell's row."""
    method, epochs = METHODS[cell.method], ground.epochs
    selection, kept = method.select(ground, cell.kept), ground.rows_kept(cell.kept)
    affordable = BUDGETS[cell.budget](epochs, len(ground.train), kept, selection.rows_trained)
    rows = method.feed(ground, selection, kept, affordable) if affordable else []
    proxy = resolve_proxy(ground.proxy)
    fresh = judged(ground.train, rows, proxy=proxy, seed=ground.seed, test=ground.test) if rows else None
    return (
        _asked(cell, ground)
        | _selected(selection, ground)
        | _judged(cell, fresh, selection, folders)
        | {
            "epochs": epochs,
            "epochs_trained": affordable,
            "rows_kept": kept,
            **machine.versions(),
        }
    )


def _asked(cell: Cell, ground: Ground) -> dict[str, Any]:
    setting = {name: getattr(cell.setting, name) for name in ("dataset", "noise", "seed")}
    asked = {name: getattr(cell, name) for name in ("kept", "method", "budget")}
    return setting | asked | {"rows_train": len(ground.train), "rows_test": len(ground.test)}


def _selected(selection: Selection, ground: Ground) -> dict[str, Any]:
    retained, unseen, noise = selection.retained, selection.internal_generalization, ground.flipped.any()
    return {
        "seconds_selecting": selection.seconds,
        "rows_trained_selecting": selection.rows_trained,
        "rows_measured_selecting": selection.rows_measured,
        "q_chosen": selection.q,
        "flipped_auc": roc_auc_score(ground.flipped, 1 - unseen) if noise and unseen is not None else None,
        "flipped_kept": float(ground.flipped[retained].mean()),
        "retained": np.packbits(retained).tobytes(),
    }


def _judged(cell: Cell, fresh: Judged | None, selection: Selection, folders: Folders) -> dict[str, Any]:
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


def run(cells: Sequence[Cell], folders: Folders, *, jobs: int) -> list[Cell]:
    """Work on all unfinished cells and return those that failed."""
    workers.run(list(grouped(unfinished(cells, folders.results))), partial(finish, folders=folders), jobs=jobs)
    return unfinished(cells, folders.results)
