"""Finished cells, grouped into experiments whose cells differ only in keep ratio, method and seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.accuracy.cells import FULL, RESULTS
from benchmarks.accuracy.methods import METHODS
from benchmarks.datasets import BENCHMARKS
from ted_core.evaluation.intervals import Interval, difference

SHARED_COLUMNS = ("dataset", "rows_train", "epochs", "precision", "noise", "budget")
Row = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One dataset with one share of noise under one budget."""

    dataset: str
    rows: int
    epochs: int
    precision: str | None
    noise: float
    budget: str
    cells: dict[tuple[float, str, int], Row]
    """(kept, method, seed) → row."""

    @cached_property
    def kept(self) -> list[float]:
        """The keep ratios, largest first."""
        return sorted({kept for kept, method, _ in self.cells if method != FULL}, reverse=True)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of all cells."""
        return sorted({seed for _, _, seed in self.cells})

    @cached_property
    def methods(self) -> list[str]:
        """The methods of all cells, in the order of ``METHODS``."""
        present = {method for _, method, _ in self.cells}
        return [name for name in METHODS if name in present]

    def rows_of(self, method: str, kept: float) -> dict[int, Row]:
        """Map each seed to its row; the rows of full data are the same at every keep ratio."""
        at = 1.0 if method == FULL else kept
        rows = {seed: self.cells.get((at, method, seed)) for seed in self.seeds}
        return {seed: row for seed, row in rows.items() if row and row["accuracy"] is not None}

    def values(self, method: str, kept: float, column: str = "accuracy") -> list[float]:
        """Return one number per seed; seeds without one are left out."""
        return [row[column] for row in self.rows_of(method, kept).values() if row[column] is not None]

    def between(self, method: str, other: str, kept: float) -> Interval | None:
        """Return how far the method leads the other, over the seeds that both have; None if there are none."""
        ours, theirs = self.rows_of(method, kept), self.rows_of(other, kept)
        both = sorted(ours.keys() & theirs.keys())
        return difference(*([rows[seed]["accuracy"] for seed in both] for rows in (ours, theirs))) if both else None

    def best(self, methods: Iterable[str], kept: float) -> str | None:
        """Return the method with the highest mean accuracy; None if none was run."""
        means = {method: mean(values) for method in methods if (values := self.values(method, kept))}
        return max(means, key=lambda method: means[method]) if means else None

    def agreement(self, method: str, kept: float) -> float | None:
        """Return the mean Jaccard index of one seed's retained rows and the next's; None if there is no such pair."""
        pairs = pairwise(self.rows_of(method, kept).values())
        known = [value for before, row in pairs if (value := jaccard(before, row)) is not None]
        return mean(known) if known else None


def jaccard(before: Row, row: Row) -> float | None:
    """Return the Jaccard index of two cells' retained rows; of archived cells, which have no masks, what is kept of it.

    None if nothing is known, or if both retain all rows.
    """
    if before["retained"] is None or row["retained"] is None:
        return row["jaccard"]
    masks = _mask(before), _mask(row)
    if all(mask.all() for mask in masks):
        return None
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def _mask(row: Row) -> np.ndarray:
    return np.unpackbits(np.frombuffer(row["retained"], np.uint8), count=row["rows_train"]).astype(bool)


def experiments_in(folders: Sequence[Path]) -> list[Experiment]:
    """Return all experiments, in the order of the datasets; of a cell in several folders, the last folder's counts."""
    cells_of: dict[tuple[Any, ...], dict[tuple[float, str, int], Row]] = {}
    for row in (row for folder in folders for row in RESULTS.read([folder])):
        cells = cells_of.setdefault(tuple(row[name] for name in SHARED_COLUMNS), {})
        cells[row["kept"], row["method"], row["seed"]] = row
    for key in cells_of:  # full data are the same under every budget
        full = cells_of.get((*key[:-1], "epochs"), {})
        cells_of[key] |= {cell: row for cell, row in full.items() if cell[1] == FULL}
    datasets = list(BENCHMARKS)
    order = sorted(cells_of, key=lambda key: (datasets.index(key[0]), *key[1:3], key[3] or "", *key[4:]))
    compared = [key for key in order if any(method != FULL for _, method, _ in cells_of[key])]
    return [Experiment(*key, cells_of[key]) for key in compared]
