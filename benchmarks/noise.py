"""``python -m benchmarks.noise DATA --results DIR``: how well each score finds the labels that were flipped.

The measure is the area under the ROC curve: how often a flipped label looks more suspicious than a right one. 0.5 is
chance.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
from sklearn.metrics import roc_auc_score

from benchmarks.datasets import BENCHMARKS
from benchmarks.ground import Folders, Setting, ground_of
from benchmarks.harness import command, machine, storage, workers
from benchmarks.harness.markdown import spread, table
from benchmarks.scores import SUSPICIONS

FOLDER = "noise"
FOUND = pa.schema(
    {
        "dataset": pa.string(),
        "noise": pa.float64(),
        "seed": pa.int64(),
        "epochs": pa.int64(),
        "rows_train": pa.int64(),
        "score": pa.string(),
        "auc": pa.float64(),
        "hardware": pa.string(),
        "torch": pa.string(),
        "threads": pa.int64(),
    }
)


def file_of(setting: Setting, results: Path) -> Path:
    """Return the path of a setting's rows once it is finished."""
    return results / FOLDER / f"{setting.name}.parquet"


def finish(setting: Setting, say: workers.Say, *, folders: Folders) -> None:
    """Measure every score."""
    ground = ground_of(setting, folders)
    areas = {name: float(roc_auc_score(ground.flipped, score(ground))) for name, score in SUSPICIONS.items()}
    shared = {name: getattr(setting, name) for name in ("dataset", "noise", "seed")} | machine.versions()
    shared |= {"epochs": ground.epochs, "rows_train": len(ground.train)}
    rows = [shared | {"score": name, "auc": area} for name, area in areas.items()]
    storage.write(file_of(setting, folders.results), rows, schema=FOUND)
    say(f"{setting.name} {', '.join(f'{name} {area:.3f}' for name, area in areas.items())}")


def results_in(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return all rows."""
    return storage.read([folder / FOLDER for folder in folders], schema=FOUND)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table, scores by datasets, with the best of each bold."""
    datasets = [name for name in BENCHMARKS if any(row["dataset"] == name for row in rows)]
    pairs = [(dataset, score) for dataset in datasets for score in SUSPICIONS]
    areas = {pair: [row["auc"] for row in rows if (row["dataset"], row["score"]) == pair] for pair in pairs}
    best = {name: max(SUSPICIONS, key=lambda score: mean(areas[name, score])) for name in datasets}

    def shown(dataset: str, score: str) -> str:
        return f"**{spread(areas[dataset, score])}**" if score == best[dataset] else spread(areas[dataset, score])

    yield "## Finding flipped labels"
    yield f"Area under the ROC curve, {100 * rows[0]['noise']:g} % of the labels flipped, mean ± sd over the seeds."
    yield table(["score", *datasets], ([score, *(shown(name, score) for name in datasets)] for score in SUSPICIONS))


def main() -> None:
    """Run, and fail if anything is left unfinished."""
    options = command.parser(__doc__)
    options.add_argument("--seeds", type=int, default=5, help="how many, counted from 0")
    options.add_argument("--noise", type=float, default=0.2, help="the share of flipped labels")
    asked, folders = command.begun(options, "benchmarks.noise")
    names = [name for name in BENCHMARKS if name in asked.datasets]
    seeds = range(asked.seeds)
    settings = [Setting(name, asked.noise, seed, asked.epochs, asked.rows) for name in names for seed in seeds]
    unfinished = [setting for setting in settings if not file_of(setting, folders.results).exists()]
    workers.run(unfinished, partial(finish, folders=folders), jobs=asked.jobs)
    sys.exit(not all(file_of(setting, folders.results).exists() for setting in settings))


if __name__ == "__main__":
    main()
