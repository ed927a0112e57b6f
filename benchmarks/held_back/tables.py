"""How far the default rule stands behind the best exponent, which nobody knows beforehand, and ahead of random rows."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.harness.markdown import table
from benchmarks.held_back.rules import FIXED

POINTS = 100
Row = Mapping[str, Any]
Cell = dict[str, Row]
"""Rule → its row."""


def cells_of(rows: Sequence[Row]) -> dict[tuple[Any, ...], Cell]:
    """Group rows by dataset, noise, keep ratio and seed."""
    cells: dict[tuple[Any, ...], Cell] = {}
    for row in rows:
        cells.setdefault(tuple(row[name] for name in ("dataset", "noise", "kept", "seed")), {})[row["rule"]] = row
    return cells


def best_exponent(cell: Cell) -> Row:
    """Return the row of the exponent that turned out best."""
    return max((cell[name] for name in FIXED), key=lambda row: row["accuracy"])


def behind_best(cell: Cell) -> float:
    """Return how many points the margin stands behind it."""
    return POINTS * float(best_exponent(cell)["accuracy"] - cell["margin"]["accuracy"])


def ahead_of_random(cell: Cell) -> float:
    """Return how many points the margin stands ahead of class-stratified random rows."""
    return POINTS * float(cell["margin"]["accuracy"] - cell["stratified"]["accuracy"])


def section(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what all cells say together, then a table of each dataset and noise."""
    cells = cells_of(rows)
    behind, ahead = ([measure(cell) for cell in cells.values()] for measure in (behind_best, ahead_of_random))
    yield "## On rows held back from the training files"
    yield (
        f"{len(cells)} cells. The margin costs {_work(cells):.2f} training runs on average. It stands "
        f"{mean(behind):.2f} points behind the best exponent of each cell on average, {max(behind):.1f} at worst, and "
        f"{mean(ahead):.2f} ahead of class-stratified random rows on average, {min(ahead):.1f} at worst; it is below "
        f"them in {sum(value < 0 for value in ahead)} cells. Two fresh models "
        "a rule; no test row was looked at."
    )
    head = ["data, wrong labels", "kept", "full", "random", "best q", "margin", "behind best", "estimated wrong", "AUC"]
    yield table(head, [_line(key, group) for key, group in _over_seeds(cells).items()])


def _work(cells: Mapping[tuple[Any, ...], Cell]) -> float:
    return mean(cell["margin"]["row_visits"] for cell in cells.values())


def _over_seeds(cells: Mapping[tuple[Any, ...], Cell]) -> dict[tuple[Any, ...], list[Cell]]:
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for (dataset, noise, kept, _), cell in sorted(cells.items(), key=lambda item: (*item[0][:2], -item[0][2])):
        groups.setdefault((dataset, noise, kept), []).append(cell)
    return groups


def _line(key: tuple[Any, ...], cells: Sequence[Cell]) -> list[str]:
    dataset, noise, kept = key
    means = [f"{POINTS * mean(cell[rule]['accuracy'] for cell in cells):.1f}" for rule in ("full", "stratified")]
    best = f"{POINTS * mean(best_exponent(cell)['accuracy'] for cell in cells):.1f}"
    margin = f"{POINTS * mean(cell['margin']['accuracy'] for cell in cells):.1f}"
    noise_rates = [cell["margin"] for cell in cells]
    estimate = f"{mean(row['noise_estimate'] for row in noise_rates):.2f} ({noise_rates[0]['wrong_share']:.2f})"
    areas = [row["noise_auc"] for row in noise_rates if row["noise_auc"] is not None]
    auc = f"{mean(areas):.3f}" if areas else "-"
    behind = f"{mean(map(behind_best, cells)):+.1f}"
    return [f"{dataset}, {noise}", f"{POINTS * kept:.0f} %", *means, best, margin, behind, estimate, auc]
