"""``python -m benchmarks.held_back.twin_batches DATA --results DIR``: what larger batches of the twins save, and cost.

In each cell the service's own loop selects with twins of several batch sizes and learning rates. Fresh models train on
what was kept, as the proxy does by itself, and are tested on rows that were held back from the training file, with
their true labels.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command, machine, workers
from benchmarks.harness.markdown import table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.held_back.cells import HeldBackCell, held_back_parts
from benchmarks.held_back.label_noise import KINDS, with_wrong_labels
from benchmarks.random_streams import BenchmarkStream
from benchmarks.setting import Folders
from benchmarks.vectorized import TrainingRun, fit_together, in_groups
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.random_streams import stream_seed
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round
from ted_core.training.features import prepare_samples

PERCEPTRONS = [name for name, benchmark in BENCHMARKS.items() if benchmark.proxy == "mlp"]
ITS_OWN = (1, 1.0)
TWINS = (ITS_OWN, (2, 1.4), (2, 2.0), (4, 2.0), (4, 4.0), (8, 2.8), (8, 4.0))
"""Batch size and learning rate, in those of the proxy: the rate grows with the root of the size, or with the size."""
MODELS, POINTS = 3, 100
RESULTS = ResultSet(
    "twin_batches",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "rows": pa.int64(),
            "batch": pa.float64(),  # in that of the proxy
            "learning_rate": pa.float64(),  # in that of the proxy
            "accuracy": pa.float64(),  # mean of the fresh models
            "processor_seconds": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class TwinBatchCell:
    """Everything that the numbers depend on."""

    shared: HeldBackCell

    def file(self, results: Path) -> Path:
        """Return the path of the cell's rows once it is finished."""
        return RESULTS.path(results, self.shared.file(results).name)


def run_cell(cell: TwinBatchCell, say: workers.Say, *, folders: Folders) -> None:
    """Measure one cell and write its rows."""
    RESULTS.fill(cell.file(folders.results), lambda: measure_cell(cell.shared, folders), say=say)


def measure_cell(cell: HeldBackCell, folders: Folders) -> list[dict[str, Any]]:
    """Select with each kind of twins, and judge what was kept."""
    samples, held_back = held_back_parts(cell, folders)
    samples, _ = with_wrong_labels(samples, cell.noise, seed=cell.seed)
    proxy = resolve_proxy(ProxySpec(name="mlp"), kind=samples.kind)
    samples, held_back = (prepare_samples(part, proxy, device="cpu") for part in (samples, held_back))
    plan = PruningPlan(keep_ratio=cell.kept, seed=cell.seed)
    selected = [_select(samples, plan, _with_batches(proxy, *twins)) for twins in TWINS]
    kept = [np.flatnonzero(last.retained) for last, _ in selected]
    accuracies = _accuracies(samples, held_back, kept, proxy=proxy, seed=cell.seed)
    shared = {"dataset": cell.dataset, "noise": cell.noise, "kept": cell.kept, "seed": cell.seed, "rows": len(samples)}
    return [
        shared
        | machine.versions()
        | {"batch": batch, "learning_rate": rate, "accuracy": accuracy, "processor_seconds": seconds}
        for (batch, rate), (_, seconds), accuracy in zip(TWINS, selected, accuracies, strict=True)
    ]


def _with_batches(proxy: ResolvedProxy, batch: int, learning_rate: float) -> ResolvedProxy:
    own = proxy.training
    return proxy.with_training(batch_size=batch * own.batch_size, learning_rate=learning_rate * own.learning_rate)


def _select(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy) -> tuple[Round, float]:
    began = time.process_time()
    *_, last = prune(samples, plan, proxy=proxy)
    return last, time.process_time() - began


def _accuracies(
    samples: Samples, held_back: Samples, kept: Sequence[np.ndarray], *, proxy: ResolvedProxy, seed: int
) -> list[float]:
    seeds = [stream_seed(seed, BenchmarkStream.FRESH_MODELS, model) for model in range(MODELS)]
    runs = [TrainingRun(rows, one) for rows in kept for one in seeds]
    groups = [fit_together(samples, group, proxy=proxy).accuracy(held_back) for group in in_groups(runs)]
    return [float(mean) for mean in np.concatenate(groups).reshape(len(kept), MODELS).mean(1)]


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table for each number of rows: points gained and time taken, in that of twins with the proxy's own."""
    for count in sorted({row["rows"] for row in rows}):
        cells = _cells([row for row in rows if row["rows"] == count])
        yield f"{count:,} rows, {len(cells)} cells"
        yield table(
            ["batch", "learning rate", "points", "standard error", "worst", "processor seconds"],
            [_line(twins, cells) for twins in TWINS[1:]],
        )


def _cells(rows: Sequence[dict[str, Any]]) -> list[dict[tuple[float, float], dict[str, Any]]]:
    cells: dict[tuple[Any, ...], dict[tuple[float, float], dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("dataset", "noise", "kept", "seed"))
        cells.setdefault(key, {})[row["batch"], row["learning_rate"]] = row
    return list(cells.values())


def _line(twins: tuple[int, float], cells: Sequence[dict[tuple[float, float], dict[str, Any]]]) -> list[str]:
    gained = np.array([POINTS * (cell[twins]["accuracy"] - cell[ITS_OWN]["accuracy"]) for cell in cells])
    took = median(cell[twins]["processor_seconds"] / cell[ITS_OWN]["processor_seconds"] for cell in cells)
    error = gained.std() / np.sqrt(len(gained))
    numbers = [f"{gained.mean():+.2f}", f"{error:.2f}", f"{gained.min():+.2f}", f"{took:.2f}"]
    return [f"{twins[0]}", f"{twins[1]:g}", *numbers]


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.folder_options(__doc__)
    parser.add_argument("--datasets", nargs="+", choices=PERCEPTRONS, default=PERCEPTRONS)
    parser.add_argument("--noise", nargs="+", choices=list(KINDS), default=["clean", "symmetric-20"])
    parser.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3], help="keep ratios, between 0 and 1")
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    parser.add_argument("--rows", type=int, default=6000, help="the most rows to select from")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of one thread each")
    return parser


def main() -> None:
    """Run what is missing and print what all finished cells say."""
    arguments, folders = command.parse(options(), "benchmarks.held_back.twin_batches")
    axes = product(range(arguments.seeds), arguments.datasets, arguments.noise, arguments.kept)
    cells = [
        TwinBatchCell(HeldBackCell(dataset, noise, kept, seed, arguments.rows)) for seed, dataset, noise, kept in axes
    ]
    workers.run(unfinished(cells, folders.results), partial(run_cell, folders=folders), jobs=arguments.jobs)
    if finished := RESULTS.read([folders.results]):
        Console().print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
