"""``python -m benchmarks.noise DATA --results DIR``: how well each score finds the labels that were flipped.

The measure is the area under the ROC curve: how often a flipped label looks more suspicious than a right one. 0.5 is
chance.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa
from sklearn.metrics import roc_auc_score

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command, machine, workers
from benchmarks.harness.markdown import mean_and_deviation, table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.scores import SUSPICIONS
from benchmarks.setting import Folders, Setting, load_setting

RESULTS = ResultSet(
    "noise",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.float64(),
            "seed": pa.int64(),
            "epochs": pa.int64(),
            "rows_train": pa.int64(),
            "score": pa.string(),
            "auc": pa.float64(),
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class NoiseTask:
    """A setting in which every score looks for the flipped labels."""

    setting: Setting

    def file(self, results: Path) -> Path:
        """Return the path of its rows once it is finished."""
        return RESULTS.path(results, f"{self.setting.name}.parquet")


def measure_scores(task: NoiseTask, say: workers.Say, *, folders: Folders) -> None:
    """Measure every score and write its row."""
    data = load_setting(task.setting, folders)
    areas = {name: float(roc_auc_score(data.flipped, score(data))) for name, score in SUSPICIONS.items()}
    shared = task.setting.columns | data.columns | machine.versions()
    rows = [shared | {"score": name, "auc": area} for name, area in areas.items()]
    RESULTS.write(task.file(folders.results), rows)
    say(f"{task.setting.name} {', '.join(f'{name} {area:.3f}' for name, area in areas.items())}")


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table, scores by datasets, with the best of each bold."""
    datasets = [name for name in BENCHMARKS if any(row["dataset"] == name for row in rows)]
    pairs = [(dataset, score) for dataset in datasets for score in SUSPICIONS]
    areas = {pair: [row["auc"] for row in rows if (row["dataset"], row["score"]) == pair] for pair in pairs}
    best = {name: max(SUSPICIONS, key=lambda score: mean(areas[name, score])) for name in datasets}

    def cell(dataset: str, score: str) -> str:
        text = mean_and_deviation(areas[dataset, score])
        return f"**{text}**" if score == best[dataset] else text

    yield "## Finding flipped labels"
    yield f"Area under the ROC curve, {100 * rows[0]['noise']:g} % of the labels flipped, mean ± sd over the seeds."
    yield table(["score", *datasets], ([score, *(cell(name, score) for name in datasets)] for score in SUSPICIONS))


def main() -> None:
    """Run, and fail if anything is left unfinished."""
    options = command.experiment_options(__doc__)
    options.add_argument("--seeds", type=int, default=5, help="how many, counted from 0")
    options.add_argument("--noise", type=float, default=0.2, help="the share of flipped labels")
    arguments, folders = command.parse(options, "benchmarks.noise")
    settings = command.settings(arguments, noise=[arguments.noise], seeds=range(arguments.seeds))
    tasks = [NoiseTask(setting) for setting in settings]
    workers.run(unfinished(tasks, folders.results), partial(measure_scores, folders=folders), jobs=arguments.jobs)
    sys.exit(bool(unfinished(tasks, folders.results)))


if __name__ == "__main__":
    main()
