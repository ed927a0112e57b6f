"""``python -m benchmarks.cost DATA --results DIR``: the wall time of a selection, in full training runs of its proxy.

A full run, the loop with a given q and the loop with the choice of q take turns in one process of one thread, so that a
machine that slows down affects all three; the ratio is taken within each turn. Run it on a quiet machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.harness import command, machine
from benchmarks.harness.markdown import table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.setting import Folders, Setting, SettingData, load_setting, measure_time
from ted_core.plan import PruningPlan
from ted_core.proxies import resolve_proxy
from ted_core.selection.prune import prune
from ted_core.training.trainer import fit

SELECTIONS: Mapping[str, dict[str, Any]] = {"loop, q given": {"q": 1.0}, "with the choice of q": {"q": "auto"}}
LIMITS = {("loop, q given", 0.7): 1.0, ("loop, q given", 0.3): 0.75}
LIMITS |= {("with the choice of q", 0.7): 1.5, ("with the choice of q", 0.3): 1.0}
RESULTS = ResultSet(
    "cost",
    pa.schema(
        {
            "dataset": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "selection": pa.string(),
            "seconds": pa.float64(),
            "seconds_full_run": pa.float64(),
            "row_visits": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class CostTurn:
    """A setting and a keep ratio, for which a full run and every selection are timed once."""

    setting: Setting
    kept: float

    def file(self, results: Path) -> Path:
        """Return the path of the turn's rows once it is finished."""
        return RESULTS.path(results, f"{self.setting.name}-kept{self.kept:g}.parquet")


def measure_turn(data: SettingData, kept: float) -> Iterator[dict[str, Any]]:
    """Time one full run, then every selection."""
    proxy, everything = resolve_proxy(data.proxy), np.arange(len(data.train))
    full = measure_time(lambda: fit(data.train, everything, proxy=proxy, seed=data.seed)).seconds
    for name, plan in SELECTIONS.items():
        pruning = PruningPlan(keep_ratio=kept, seed=data.seed, **plan)
        final = measure_time(lambda pruning=pruning: list(prune(data.train, pruning, proxy=data.proxy))[-1])
        visits = final.value.samples_trained / (len(data.train) * proxy.training.epochs)
        yield {"selection": name, "seconds": final.seconds, "seconds_full_run": full, "row_visits": visits}


def take_turn(turn: CostTurn, *, folders: Folders) -> None:
    """Measure one turn and write its rows."""
    shared = {"dataset": turn.setting.dataset, "kept": turn.kept, "seed": turn.setting.seed} | machine.versions()
    rows = [shared | row for row in measure_turn(load_setting(turn.setting, folders), turn.kept)]
    RESULTS.write(turn.file(folders.results), rows)


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
    wall_time = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    holds = "-" if limit is None else "yes" if median(ratios) <= limit else "**no**"
    visits = f"{median(row['row_visits'] for row in own):.2f}"
    return [
        dataset,
        f"{-100 * minus_kept:.0f} %",
        selection,
        wall_time,
        "-" if limit is None else f"{limit:g}",
        holds,
        visits,
    ]


def main() -> None:
    """Take the missing turns, one after another."""
    options = command.experiment_options(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="turns for each data set and ratio")
    options.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3])
    arguments, folders = command.parse(options, "benchmarks.cost")
    torch.set_num_threads(1)
    settings = command.settings(arguments, noise=[0.0], seeds=range(arguments.seeds))
    turns = [CostTurn(setting, kept) for setting in settings for kept in arguments.kept]
    for turn in unfinished(turns, folders.results):
        take_turn(turn, folders=folders)


if __name__ == "__main__":
    main()
