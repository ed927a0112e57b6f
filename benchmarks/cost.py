"""``python -m benchmarks.cost DATA --results DIR``: the wall time of a selection, in full training runs of its proxy.

A full run, the loop with a given q and the loop with the choice of q take turns in one process of one thread, so that a
machine that slows down affects all three; the ratio is taken within each turn. Run it on a quiet machine.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.datasets import BENCHMARKS
from benchmarks.ground import Folders, Ground, Setting, ground_of, timed
from benchmarks.harness import command, machine, storage
from benchmarks.harness.markdown import table
from ted_core.plan import PruningPlan
from ted_core.proxies import resolve_proxy
from ted_core.selection.prune import prune
from ted_core.training.trainer import fit

FOLDER = "cost"
SELECTIONS: Mapping[str, dict[str, Any]] = {"loop, q given": {"q": 1.0}, "with the choice of q": {"q": "auto"}}
LIMITS = {("loop, q given", 0.7): 1.0, ("loop, q given", 0.3): 0.75}
LIMITS |= {("with the choice of q", 0.7): 1.5, ("with the choice of q", 0.3): 1.0}
TAKEN = pa.schema(
    {
        "dataset": pa.string(),
        "kept": pa.float64(),
        "seed": pa.int64(),
        "selection": pa.string(),
        "seconds": pa.float64(),
        "seconds_full_run": pa.float64(),
        "row_visits": pa.float64(),
        "hardware": pa.string(),
        "torch": pa.string(),
        "threads": pa.int64(),
    }
)


def turn(ground: Ground, kept: float) -> Iterator[dict[str, Any]]:
    """Time one full run, then every selection."""
    proxy, everything = resolve_proxy(ground.proxy), np.arange(len(ground.train))
    full = timed(lambda: fit(ground.train, everything, proxy=proxy, seed=ground.seed)).seconds
    for name, plan in SELECTIONS.items():
        asked = PruningPlan(keep_ratio=kept, seed=ground.seed, **plan)
        found = timed(lambda asked=asked: list(prune(ground.train, asked, proxy=ground.proxy))[-1])
        visits = found.value.samples_trained / (len(ground.train) * proxy.training.epochs)
        yield {"selection": name, "seconds": found.seconds, "seconds_full_run": full, "row_visits": visits}


def file_of(setting: Setting, kept: float, results: Path) -> Path:
    """Return the path of a turn's rows once it is finished."""
    return results / FOLDER / f"{setting.name}-kept{kept:g}.parquet"


def finish(setting: Setting, kept: float, *, folders: Folders) -> None:
    """Take one turn."""
    shared = {"dataset": setting.dataset, "kept": kept, "seed": setting.seed} | machine.versions()
    rows = [shared | row for row in turn(ground_of(setting, folders), kept)]
    storage.write(file_of(setting, kept, folders.results), rows, schema=TAKEN)


def results_in(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return all rows."""
    return storage.read([folder / FOLDER for folder in folders], schema=TAKEN)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table: the median over the turns, followed by the least and the most, and whether the limit holds."""
    yield "## What a selection costs"
    yield (
        "Wall seconds of the selection over those of one full training run of the same proxy, measured in turns by one "
        "process of one thread: median (least to most). Row visits count the rows trained on, in full runs."
    )
    head = ["data", "kept", "selection", "wall time", "limit", "holds", "row visits"]
    cells = sorted({(row["dataset"], -row["kept"], row["selection"]) for row in rows})
    yield table(head, [_line(rows, *cell) for cell in cells])


def _line(rows: Sequence[dict[str, Any]], dataset: str, minus_kept: float, selection: str) -> list[str]:
    own = [row for row in rows if (row["dataset"], -row["kept"], row["selection"]) == (dataset, minus_kept, selection)]
    ratios = [row["seconds"] / row["seconds_full_run"] for row in own]
    limit = LIMITS.get((selection, -minus_kept))
    took = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    verdict = "-" if limit is None else "yes" if median(ratios) <= limit else "**no**"
    visits = f"{median(row['row_visits'] for row in own):.2f}"
    return [
        dataset,
        f"{-100 * minus_kept:.0f} %",
        selection,
        took,
        "-" if limit is None else f"{limit:g}",
        verdict,
        visits,
    ]


def main() -> None:
    """Take the missing turns, one after another."""
    options = command.parser(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="turns for each data set and ratio")
    options.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3])
    asked, folders = command.begun(options, "benchmarks.cost")
    torch.set_num_threads(1)
    for name in (name for name in BENCHMARKS if name in asked.datasets):
        for seed in range(asked.seeds):
            setting = Setting(name, 0.0, seed, asked.epochs, asked.rows)
            for kept in asked.kept:
                if not file_of(setting, kept, folders.results).exists():
                    finish(setting, kept, folders=folders)
    sys.exit(0)


if __name__ == "__main__":
    main()
