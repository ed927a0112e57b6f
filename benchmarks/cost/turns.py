"""A turn: one full run of a proxy, and every selection with it, timed one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.cost.plain_loop import train_plainly
from benchmarks.cost.whole_job import WHOLE_JOB, run_job
from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import machine
from benchmarks.harness.markdown import table
from benchmarks.harness.result_set import ResultSet
from benchmarks.setting import Folders, Setting, SettingData, load_setting, measure_time
from ted_core.plan import PruningPlan
from ted_core.proxies import resolve_proxy
from ted_core.selection.prune import prune
from ted_core.training.trainer import fit

DEFAULT = "default"
SELECTIONS: Mapping[str, dict[str, Any]] = {
    DEFAULT: {},
    **({"with the guard": {"guard": True}} if "guard" in PruningPlan.model_fields else {}),
    "with the choice of q": {"q": "auto"},
}
LIMITS = {("mlp", 0.7): 0.5, ("mlp", 0.3): 0.35, ("cnn", 0.7): 0.35, ("cnn", 0.3): 0.25}
"""What the default, and a whole job if it is long, may take of a full run of the proxy, at a keep ratio."""
LONG_SECONDS = 60
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
            "processor_seconds": pa.float64(),
            "processor_seconds_full_run": pa.float64(),  # of the plain loop
            "processor_seconds_our_trainer": pa.float64(),  # of the same run by ted_core's trainer
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
    """Time one full run by the plain loop and one by our trainer, then every selection, then the service's runner."""
    proxy, everything = resolve_proxy(data.proxy), np.arange(len(data.train))
    plain = measure_time(lambda: train_plainly(data.train, proxy, seed=data.seed))
    ours = measure_time(lambda: fit(data.train, everything, proxy=proxy, seed=data.seed))
    full_run = {
        "seconds_full_run": plain.seconds,
        "processor_seconds_full_run": plain.processor_seconds,
        "processor_seconds_our_trainer": ours.processor_seconds,
    }
    visits = len(data.train) * proxy.training.epochs
    for name, plan in SELECTIONS.items():
        pruning = PruningPlan(keep_ratio=kept, seed=data.seed, **plan)
        final = measure_time(lambda pruning=pruning: list(prune(data.train, pruning, proxy=data.proxy))[-1])
        yield {
            **full_run,
            "selection": name,
            "seconds": final.seconds,
            "processor_seconds": final.processor_seconds,
            "row_visits": final.value.samples_trained / visits,
            "rows_measured": final.value.samples_measured / visits,
        }
    yield {**full_run, "selection": WHOLE_JOB, **run_job(data, PruningPlan(keep_ratio=kept, seed=data.seed))}


def take_turn(turn: CostTurn, *, folders: Folders) -> None:
    """Measure one turn and write its rows."""
    shared = {"dataset": turn.setting.dataset, "kept": turn.kept, "seed": turn.setting.seed} | machine.versions()
    rows = [shared | row for row in measure_turn(load_setting(turn.setting, folders), turn.kept)]
    RESULTS.write(turn.file(folders.results), rows)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table: the median over the turns, followed by the least and the most, and whether the limit holds."""
    yield "### In time"
    yield (
        "What the selection takes of one full training run of the same proxy by a plain loop "
        "(`benchmarks/cost/plain_loop.py`), measured in turns by processes of one thread: median (least to most). The "
        "limit is one of processor time. Rows trained on and rows measured are in full runs; `our trainer` is a full "
        "run by the service's own trainer, in processor time. `the whole job` is the runner from its start to "
        "the manifest: imports, reading, selecting, both files and the report. For full runs that take a minute or "
        "more, it is held against the same limit."
    )
    head = ["data", "kept", "selection", "full run, s", "processor time", "limit", "holds"]
    head += ["wall time", "trained", "measured", "our trainer"]
    cells = sorted({(row["dataset"], -row["kept"], row["selection"]) for row in rows})
    yield table(head, [_line(rows, *cell) for cell in cells])


def _line(rows: Sequence[dict[str, Any]], dataset: str, minus_kept: float, selection: str) -> list[str]:
    own = [row for row in rows if (row["dataset"], -row["kept"], row["selection"]) == (dataset, minus_kept, selection)]
    ratios = [row["processor_seconds"] / row["processor_seconds_full_run"] for row in own]
    full_run = median(row["processor_seconds_full_run"] for row in own)
    limited = selection == DEFAULT or (selection == WHOLE_JOB and full_run >= LONG_SECONDS)
    limit = LIMITS.get((BENCHMARKS[dataset].proxy, -minus_kept)) if limited else None
    return [
        dataset,
        f"{-100 * minus_kept:.0f} %",
        selection,
        f"{full_run:.0f}",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        "-" if limit is None else f"{limit:g}",
        "-" if limit is None else "yes" if median(ratios) <= limit else "**no**",
        f"{median(row['seconds'] / row['seconds_full_run'] for row in own):.2f}",
        *(_visits(own, name) for name in ("row_visits", "rows_measured")),
        f"{median(row['processor_seconds_our_trainer'] / row['processor_seconds_full_run'] for row in own):.2f}",
    ]


def _visits(rows: Sequence[dict[str, Any]], name: str) -> str:
    told = [row[name] for row in rows if row[name] is not None]
    return f"{median(told):.2f}" if told else "-"
