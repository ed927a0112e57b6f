"""``python -m benchmarks.held_back.open_ratio DATA --results DIR``: does ``keep_ratio: "auto"`` keep its promise?

Each cell lets the service's own loop choose the ratio, then trains fresh models on all rows and on those that were
kept, and tests both on rows that were held back from the training file, with their true labels.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean
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
from benchmarks.vectorized import TrainingRun, fit_together
from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.random_streams import stream_seed
from ted_core.selection.prune import prune
from ted_core.selection.trials.ratio_choice import QUANTILE
from ted_core.selection.workload import row_work
from ted_core.training.features import prepare_samples

PERCEPTRONS = [name for name, benchmark in BENCHMARKS.items() if benchmark.proxy == "mlp"]
MODELS, MOST_HELD_BACK = 3, 12_000
POINTS = 100
RESULTS = ResultSet(
    "open_ratio",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.string(),
            "seed": pa.int64(),
            "rows": pa.int64(),
            "held_back": pa.int64(),
            "tolerance": pa.float64(),
            "kept": pa.float64(),
            "measured_loss": pa.float64(),  # points, at the first ratio that was tried
            "measured_end": pa.float64(),  # the upper end of its interval
            "accuracy_full": pa.float64(),
            "loss": pa.float64(),  # points, of fresh models on rows held back
            "standard_error": pa.float64(),  # of that, by the rows
            "row_visits": pa.float64(),  # in full training runs, a third for measuring
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class OpenRatioCell:
    """Everything that the numbers depend on."""

    dataset: str
    noise: str
    seed: int
    rows: int
    tolerance: float

    def file(self, results: Path) -> Path:
        """Return the path of the cell's row once it is finished."""
        name = f"{self.dataset}-{self.noise}-tolerance{self.tolerance:g}-rows{self.rows}-seed{self.seed}.parquet"
        return RESULTS.path(results, name)


def run_cell(cell: OpenRatioCell, say: workers.Say, *, folders: Folders) -> None:
    """Measure one cell and write its row."""
    RESULTS.fill(cell.file(folders.results), lambda: [measure_cell(cell, folders)], say=say)


def measure_cell(cell: OpenRatioCell, folders: Folders) -> dict[str, Any]:
    """Let the ratio be chosen, and measure what it costs on rows held back."""
    shared = HeldBackCell(cell.dataset, cell.noise, 1.0, cell.seed, cell.rows)
    samples, held_back = held_back_parts(shared, folders, most_held_back=MOST_HELD_BACK)
    samples, _ = with_wrong_labels(samples, cell.noise, seed=cell.seed)
    proxy = resolve_proxy(ProxySpec(name="mlp"), kind=samples.kind)
    samples, held_back = (prepare_samples(part, proxy, device="cpu") for part in (samples, held_back))
    plan = PruningPlan(keep_ratio="auto", tolerance=cell.tolerance, seed=cell.seed)
    *_, last = prune(samples, plan, proxy=proxy)
    choice = last.ratio_choice
    assert choice is not None, "an open ratio is chosen"  # noqa: S101
    full, kept = (
        _right(samples, held_back, rows, proxy=proxy, seed=cell.seed)
        for rows in (np.arange(len(samples)), np.flatnonzero(last.retained))
    )
    lost = POINTS * (full - kept)
    return {
        "dataset": cell.dataset,
        "noise": cell.noise,
        "seed": cell.seed,
        "rows": len(samples),
        "held_back": len(held_back),
        "tolerance": cell.tolerance,
        "kept": choice.ratio,
        "measured_loss": choice.points[1].loss,
        "measured_end": choice.points[1].interval[1],
        "accuracy_full": float(full.mean()),
        "loss": float(lost.mean()),
        "standard_error": float(lost.std() / np.sqrt(len(lost))),
        "row_visits": row_work(last.samples_trained, last.samples_measured) / (len(samples) * proxy.training.epochs),
        **machine.versions(),
    }


def _right(samples: Samples, held_back: Samples, rows: np.ndarray, *, proxy: ResolvedProxy, seed: int) -> np.ndarray:
    """How many of several fresh models are right about each row held back, as a share."""
    seeds = [stream_seed(seed, BenchmarkStream.FRESH_MODELS, model) for model in range(MODELS)]
    together = fit_together(samples, [TrainingRun(rows, one) for one in seeds], proxy=proxy)
    return together.right(held_back).mean(0)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield how often the promise held, then a line for each dataset and noise."""
    over = [row["loss"] - row["tolerance"] for row in rows]
    beyond_error = sum(row["loss"] - QUANTILE * row["standard_error"] > row["tolerance"] for row in rows)
    kept = [row["kept"] for row in rows]
    yield (
        f"{len(rows)} cells. On rows held back the loss was within the tolerance in {sum(lost <= 0 for lost in over)}; "
        f"it was above it by more than {QUANTILE} standard errors in {beyond_error}, and by {max(over):.2f} points at "
        f"most. {mean(kept):.0%} of the rows were kept on average, all in {kept.count(1)} cells, at "
        f"{mean(row['row_visits'] for row in rows):.2f} training runs."
    )
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["dataset"], row["noise"], row["seed"])):
        groups.setdefault((row["dataset"], row["noise"]), []).append(row)
    head = ["data, wrong labels", "seeds", "full", "kept", "points lost", "at most", "within tolerance"]
    yield table(head, [_line(*key, group) for key, group in groups.items()])


def _line(dataset: str, noise: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    kept = [row["kept"] for row in rows]
    lost = [row["loss"] for row in rows]
    within = sum(row["loss"] <= row["tolerance"] for row in rows)
    return [
        f"{dataset}, {noise}",
        f"{len(rows)}",
        f"{POINTS * mean(row['accuracy_full'] for row in rows):.1f}",
        f"{min(kept):.2f} to {max(kept):.2f}",
        f"{mean(lost):+.2f}",
        f"{max(lost):+.2f}",
        f"{within} of {len(rows)}",
    ]


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.folder_options(__doc__)
    parser.add_argument("--datasets", nargs="+", choices=PERCEPTRONS, default=PERCEPTRONS)
    parser.add_argument("--noise", nargs="+", choices=list(KINDS), default=["clean", "symmetric-20"])
    parser.add_argument("--tolerance", type=float, default=0.3, help="points")
    parser.add_argument("--seeds", type=int, default=5, help="how many, counted from 0")
    parser.add_argument("--rows", type=int, default=6000, help="the most rows to select from")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of one thread each")
    return parser


def main() -> None:
    """Run what is missing and print what all finished cells say."""
    arguments, folders = command.parse(options(), "benchmarks.held_back.open_ratio")
    axes = product(range(arguments.seeds), arguments.datasets, arguments.noise)
    cells = [OpenRatioCell(dataset, noise, seed, arguments.rows, arguments.tolerance) for seed, dataset, noise in axes]
    workers.run(unfinished(cells, folders.results), partial(run_cell, folders=folders), jobs=arguments.jobs)
    if finished := RESULTS.read([folders.results]):
        Console().print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
