"""``python -m benchmarks.cost DATA --results DIR``: the wall time of a selection, in full training runs of its proxy.

A full run is that of ``benchmarks.plain_loop``, not of our trainer. It and every selection take turns in one process of
one thread, so that a machine that slows down affects all of them; the ratio is taken within each turn. Run it on a
quiet machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command, machine
from benchmarks.harness.markdown import table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.plain_loop import PLAIN_PROXIES, train_plainly
from benchmarks.setting import Folders, Setting, SettingData, load_setting, load_split, measure_time
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.selection.prune import prune
from ted_core.training.trainer import fit

DEFAULT = "default"
SELECTIONS: Mapping[str, dict[str, Any]] = {
    DEFAULT: {},
    **({"with the guard": {"guard": True}} if "guard" in PruningPlan.model_fields else {}),
    "with the choice of q": {"q": "auto"},
}
LIMITS = {(DEFAULT, 0.7): 0.5, (DEFAULT, 0.3): 0.35}
RESULTS = ResultSet(
    "cost",
    pa.schema(
        {
            "dataset": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "selection": pa.string(),
            "seconds": pa.float64(),
            "seconds_full_run": pa.float64(),  # of the plain loop
            "seconds_our_trainer": pa.float64(),  # of the same run by ted_core's trainer
            "row_visits": pa.float64(),  # of training, in full runs
            "rows_measured": pa.float64(),  # in full runs
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
    """Time one full run by the plain loop and one by our trainer, then every selection."""
    proxy, everything = resolve_proxy(data.proxy), np.arange(len(data.train))
    full_run = len(data.train) * proxy.training.epochs
    plain = measure_time(lambda: train_plainly(data.train, proxy, seed=data.seed)).seconds
    ours = measure_time(lambda: fit(data.train, everything, proxy=proxy, seed=data.seed)).seconds
    for name, plan in SELECTIONS.items():
        pruning = PruningPlan(keep_ratio=kept, seed=data.seed, **plan)
        final = measure_time(lambda pruning=pruning: list(prune(data.train, pruning, proxy=data.proxy))[-1])
        yield {
            "selection": name,
            "seconds": final.seconds,
            "seconds_full_run": plain,
            "seconds_our_trainer": ours,
            "row_visits": final.value.samples_trained / full_run,
            "rows_measured": final.value.samples_measured / full_run,
        }


def take_turn(turn: CostTurn, *, folders: Folders) -> None:
    """Measure one turn and write its rows."""
    shared = {"dataset": turn.setting.dataset, "kept": turn.kept, "seed": turn.setting.seed} | machine.versions()
    rows = [shared | row for row in measure_turn(load_setting(turn.setting, folders), turn.kept)]
    RESULTS.write(turn.file(folders.results), rows)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table: the median over the turns, followed by the least and the most, and whether the limit holds."""
    yield "### In wall time"
    yield (
        "Seconds of the selection over those of one full training run of the same proxy by a plain loop "
        "(`benchmarks/plain_loop.py`), measured in turns by one process of one thread: median (least to most). Rows "
        "trained on and rows measured are in full runs; `our trainer` is a full run by the service's own trainer."
    )
    head = ["data", "kept", "selection", "wall time", "limit", "holds", "trained", "measured", "our trainer"]
    cells = sorted({(row["dataset"], -row["kept"], row["selection"]) for row in rows})
    yield table(head, [_line(rows, *cell) for cell in cells])


def _line(rows: Sequence[dict[str, Any]], dataset: str, minus_kept: float, selection: str) -> list[str]:
    own = [row for row in rows if (row["dataset"], -row["kept"], row["selection"]) == (dataset, minus_kept, selection)]
    ratios = [row["seconds"] / row["seconds_full_run"] for row in own]
    limit = LIMITS.get((selection, -minus_kept))
    wall_time = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    holds = "-" if limit is None else "yes" if median(ratios) <= limit else "**no**"
    trained, measured = (f"{median(row[name] for row in own):.2f}" for name in ("row_visits", "rows_measured"))
    return [
        dataset,
        f"{-100 * minus_kept:.0f} %",
        selection,
        wall_time,
        "-" if limit is None else f"{limit:g}",
        holds,
        trained,
        measured,
        f"{median(row['seconds_our_trainer'] / row['seconds_full_run'] for row in own):.2f}",
    ]


def main() -> None:
    """Take the missing turns, one after another."""
    options = command.experiment_options(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="turns for each data set and ratio")
    options.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3])
    arguments, folders = command.parse(options, "benchmarks.cost")
    torch.set_num_threads(1)
    drawn = command.settings(arguments, noise=[0.0], seeds=range(arguments.seeds))
    settings = [setting for setting in drawn if BENCHMARKS[setting.dataset].proxy in PLAIN_PROXIES]
    turns = [CostTurn(setting, kept) for setting in settings for kept in arguments.kept]
    _warm_up()
    for turn in unfinished(turns, folders.results):
        take_turn(turn, folders=folders)


def _warm_up() -> None:
    """Load what the first training run of a process would wait for."""
    train, _ = load_split("digits", Folders(Path(), Path()))
    list(measure_turn(SettingData(train, np.zeros(len(train), bool), train, ProxySpec(name="mlp", epochs=3), 0), 0.5))


if __name__ == "__main__":
    main()
