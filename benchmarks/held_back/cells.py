"""One cell: a dataset, a way in which its labels are wrong, a keep ratio and a seed; all rules are judged in it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from benchmarks.harness import machine, workers
from benchmarks.harness.result_set import ResultSet
from benchmarks.held_back.label_noise import with_wrong_labels
from benchmarks.held_back.rules import Selected, select
from benchmarks.random_streams import BenchmarkStream
from benchmarks.setting import Folders, load_split
from benchmarks.vectorized import TrainingRun, fit_together, in_groups
from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, ResolvedProxy, resolve_proxy
from ted_core.random_streams import stream_rng, stream_seed
from ted_core.training.features import prepare_samples

MOST_HELD_BACK, SELECTED_SHARE, MODELS = 6000, 0.7, 2
RESULTS = ResultSet(
    "held_back",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.string(),
            "kept": pa.float64(),
            "seed": pa.int64(),
            "rule": pa.string(),
            "rows": pa.int64(),
            "epochs": pa.int64(),
            "accuracy": pa.float64(),  # mean of the fresh models, on rows held back with their true labels
            "wrong_share": pa.float64(),  # of all rows
            "wrong_kept": pa.float64(),  # among those kept
            "noise_estimate": pa.float64(),
            "noise_auc": pa.float64(),  # of minus the margin, for the wrong labels
            "row_visits": pa.float64(),  # of training, and a third of those of measuring, in full runs
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class HeldBackCell:
    """Everything that the numbers depend on."""

    dataset: str
    noise: str
    kept: float
    seed: int
    rows: int

    def file(self, results: Path) -> Path:
        """Return the path of the cell's rows once it is finished."""
        name = f"{self.dataset}-{self.noise}-kept{self.kept:g}-rows{self.rows}-seed{self.seed}.parquet"
        return RESULTS.path(results, name)


def run_cell(cell: HeldBackCell, say: workers.Say, *, folders: Folders) -> None:
    """Measure one cell and write its rows."""
    RESULTS.fill(cell.file(folders.results), lambda: measure_cell(cell, folders), say=say)


def measure_cell(cell: HeldBackCell, folders: Folders) -> list[dict[str, Any]]:
    """Select by every rule, train fresh models and test them on rows that were held back."""
    samples, held_back = held_back_parts(cell, folders)
    samples, wrong = with_wrong_labels(samples, cell.noise, seed=cell.seed)
    proxy = resolve_proxy(ProxySpec(name="mlp"), kind=samples.kind)
    samples, held_back = (prepare_samples(part, proxy, device="cpu") for part in (samples, held_back))
    rules = select(samples, proxy, kept=cell.kept, seed=cell.seed)
    rules["full"] = Selected(np.ones(len(samples), bool))
    accuracies = dict(_accuracies(samples, held_back, rules, proxy=proxy, seed=cell.seed))
    shared = {"dataset": cell.dataset, "noise": cell.noise, "kept": cell.kept, "seed": cell.seed}
    shared |= {"rows": len(samples), "epochs": proxy.training.epochs, "wrong_share": float(wrong.mean())}
    return [
        shared
        | machine.versions()
        | {
            "rule": name,
            "accuracy": accuracies[name],
            "wrong_kept": float(wrong[rule.retained].mean()),
            "noise_estimate": rule.noise,
            "noise_auc": None if rule.margin is None or not wrong.any() else roc_auc_score(wrong, -rule.margin),
            "row_visits": rule.row_visits / (len(samples) * proxy.training.epochs),
        }
        for name, rule in rules.items()
    ]


def held_back_parts(
    cell: HeldBackCell, folders: Folders, *, most_held_back: int = MOST_HELD_BACK
) -> tuple[Samples, Samples]:
    """Return training rows to select from, and others; no test row is looked at."""
    train, _ = load_split(cell.dataset, folders)
    order = stream_rng(cell.seed, BenchmarkStream.HELD_BACK).permutation(len(train))
    selected = min(cell.rows, int(SELECTED_SHARE * len(train)))
    ends = (order[:selected], order[selected : selected + most_held_back])
    chosen, held_back = (_taken(train, np.sort(rows)) for rows in ends)
    return chosen, held_back


def _taken(samples: Samples, rows: np.ndarray) -> Samples:
    assert isinstance(samples.inputs, np.ndarray), "perceptrons take arrays"  # noqa: S101
    index = np.arange(len(rows), dtype=np.uint64)
    parts = {"inputs": samples.inputs[rows], "labels": samples.labels[rows], "row_index": index, "rows": len(rows)}
    return replace(samples, sample_key=None, **parts)


def _accuracies(
    samples: Samples, held_back: Samples, rules: dict[str, Selected], *, proxy: ResolvedProxy, seed: int
) -> Iterator[tuple[str, float]]:
    """Yield each rule's accuracy; models on equally many rows are trained together."""
    sizes = {int(rule.retained.sum()) for rule in rules.values()}
    for size in sizes:
        names = [name for name, rule in rules.items() if rule.retained.sum() == size]
        seeds = [stream_seed(seed, BenchmarkStream.FRESH_MODELS, model) for model in range(MODELS)]
        runs = [TrainingRun(np.flatnonzero(rules[name].retained), one) for name in names for one in seeds]
        groups = [fit_together(samples, group, proxy=proxy).accuracy(held_back) for group in in_groups(runs)]
        means = np.concatenate(groups).reshape(len(names), MODELS).mean(1)
        yield from zip(names, map(float, means), strict=True)
