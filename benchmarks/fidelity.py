"""``python -m benchmarks.fidelity DATA --results DIR``: does a score measure what it claims to?

The Spearman correlation of each score with what pruning does to a sample, measured by retraining
(``benchmarks.retraining``), says how well one run of a proxy predicts it. *Ceiling* is the correlation between the
measurements of one half of the models and of the other: how exact the truth itself is.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from benchmarks.harness import command, machine, workers
from benchmarks.harness.markdown import table
from benchmarks.harness.result_set import ResultSet, unfinished
from benchmarks.retraining import HALVES, WHOLES, Truth, inclusion, performance_in, retrain, run_of
from benchmarks.scores import ESTIMATES
from benchmarks.setting import Folders, Setting, SettingData, load_setting
from benchmarks.vectorized import TOGETHER

CEILING = "ceiling"
FULL_MODELS = 8
TRUTHS = {"spread": "spread", "distance": "distance", "own_effect": "own effect"}
RESULTS = ResultSet(
    "fidelity",
    pa.schema(
        {
            "dataset": pa.string(),
            "noise": pa.float64(),
            "seed": pa.int64(),
            "epochs": pa.int64(),
            "rows_train": pa.int64(),
            "models": pa.int64(),
            "score": pa.string(),
            **{name: pa.float64() for name in TRUTHS},
            **machine.COLUMNS,
        }
    ),
)


@dataclass(frozen=True)
class ModelGroup:
    """Some models of a setting that are retrained together."""

    setting: Setting
    use: int
    first: int
    count: int

    def file(self, results: Path) -> Path:
        """Return the path of their performance once they are trained."""
        name = f"{self.setting.name}-use{self.use}-models{self.first}-{self.first + self.count - 1}.npz"
        return RESULTS.path(results, f"models/{name}")


@dataclass(frozen=True)
class RetrainingStudy:
    """A setting, and how many models are retrained for it on random halves."""

    setting: Setting
    models: int

    @property
    def groups(self) -> list[ModelGroup]:
        """All models on halves, then those on everything."""
        return [*self.of(HALVES, self.models), *self.of(WHOLES, FULL_MODELS)]

    def of(self, use: int, models: int) -> list[ModelGroup]:
        """The groups of so many models."""
        return [ModelGroup(self.setting, use, i, min(TOGETHER, models - i)) for i in range(0, models, TOGETHER)]

    def file(self, results: Path) -> Path:
        """Return the path of the correlations once they are known."""
        return RESULTS.path(results, f"{self.setting.name}-models{self.models}.parquet")


def retrain_group(group: ModelGroup, say: workers.Say, *, folders: Folders) -> None:
    """Retrain a group of models."""
    data = load_setting(group.setting, folders)
    numbers = range(group.first, group.first + group.count)
    runs = [run_of(len(data.train), use=group.use, seed=group.setting.seed, number=number) for number in numbers]
    retrain(data, runs, group.file(folders.results))
    say(group.file(folders.results).name)


def correlate(study: RetrainingStudy, say: workers.Say, *, folders: Folders) -> None:
    """Correlate every score with the truth."""
    data = load_setting(study.setting, folders)
    pairs = np.arange(study.models) // 2 % 2
    truth, even, odd = (truth_of(study, data, folders, chosen) for chosen in (pairs >= 0, pairs == 0, pairs == 1))
    correlations = {name: truth.correlations(score(data)) for name, score in ESTIMATES.items()}
    correlations[CEILING] = even.agreement(odd)
    shared = study.setting.columns | data.columns | machine.versions() | {"models": study.models}
    rows = [shared | {"score": name} | values for name, values in correlations.items()]
    RESULTS.write(study.file(folders.results), rows)
    say(f"{study.setting.name} correlated")


def truth_of(study: RetrainingStudy, data: SettingData, folders: Folders, chosen: Bool[np.ndarray, " models"]) -> Truth:
    """Return what the chosen models measured."""
    halves, wholes = (
        np.concatenate([performance_in(group.file(folders.results)) for group in study.of(use, models)])
        for use, models in ((HALVES, study.models), (WHOLES, FULL_MODELS))
    )
    numbers, samples = range(study.models), len(data.train)
    runs = [run_of(samples, use=HALVES, seed=data.seed, number=number) for number in numbers]
    return Truth.of(halves[chosen], inclusion(runs, samples)[chosen], wholes[np.resize(chosen, len(wholes))])


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table for each setting, scores by truths, with the best of each bold."""
    yield "## What the scores measure"
    yield "Spearman's rank correlation of each score with what retraining shows (`benchmarks/fidelity.py`)."
    for key in dict.fromkeys((row["dataset"], row["noise"], row["rows_train"], row["models"]) for row in rows):
        chosen = [row for row in rows if (row["dataset"], row["noise"], row["rows_train"], row["models"]) == key]
        yield f"### {key[0]}, {100 * key[1]:g} % label noise ({key[2]:,} rows, {key[3]} models)"
        best = {name: max(row[name] for row in chosen if row["score"] != CEILING) for name in TRUTHS}
        yield table(["score", *TRUTHS.values()], ([row["score"], *_best_in_bold(row, best)] for row in chosen))


def _best_in_bold(row: dict[str, Any], best: dict[str, float]) -> list[str]:
    return [f"**{row[name]:.3f}**" if row[name] == best[name] else f"{row[name]:.3f}" for name in TRUTHS]


def main() -> None:
    """Run, and fail if anything is left unfinished."""
    options = command.experiment_options(__doc__)
    options.add_argument("--models", type=int, default=72, help="on random halves")
    options.add_argument("--noise", nargs="+", type=float, default=(0.0, 0.2), help="shares of flipped labels")
    arguments, folders = command.parse(options, "benchmarks.fidelity")
    settings = command.settings(arguments, noise=arguments.noise, seeds=[0])
    studies = [RetrainingStudy(setting, arguments.models) for setting in settings]
    remaining = unfinished(studies, folders.results)
    groups = unfinished([group for study in remaining for group in study.groups], folders.results)
    workers.run(groups, partial(retrain_group, folders=folders), jobs=arguments.jobs)
    workers.run(remaining, partial(correlate, folders=folders), jobs=arguments.jobs)
    sys.exit(bool(unfinished(studies, folders.results)))


if __name__ == "__main__":
    main()
