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

from benchmarks.datasets import BENCHMARKS
from benchmarks.ground import Folders, Ground, Setting, ground_of
from benchmarks.harness import command, machine, storage, workers
from benchmarks.harness.markdown import table
from benchmarks.retraining import HALVES, WHOLES, Truth, included, performance_in, retrain, run_of
from benchmarks.scores import ESTIMATES
from benchmarks.vectorized import TOGETHER

FOLDER, CEILING = "fidelity", "ceiling"
FULL_MODELS = 8
TRUTHS = {"spread": "spread", "distance": "distance", "own_effect": "own effect"}
FOUND = pa.schema(
    {
        "dataset": pa.string(),
        "noise": pa.float64(),
        "seed": pa.int64(),
        "epochs": pa.int64(),
        "rows_train": pa.int64(),
        "models": pa.int64(),
        "score": pa.string(),
        **{name: pa.float64() for name in TRUTHS},
        "hardware": pa.string(),
        "torch": pa.string(),
        "threads": pa.int64(),
    }
)


@dataclass(frozen=True)
class Group:
    """Some models of a setting that are retrained together."""

    setting: Setting
    use: int
    first: int
    count: int

    def file(self, results: Path) -> Path:
        """Return the path of their performance once they are trained."""
        name = f"{self.setting.name}-use{self.use}-models{self.first}-{self.first + self.count - 1}.npz"
        return results / FOLDER / "models" / name


@dataclass(frozen=True)
class Question:
    """A setting, and how many models answer for it."""

    setting: Setting
    models: int

    @property
    def groups(self) -> list[Group]:
        """All models on halves, then those on everything."""
        return [*self.of(HALVES, self.models), *self.of(WHOLES, FULL_MODELS)]

    def of(self, use: int, models: int) -> list[Group]:
        """The groups of so many models."""
        return [Group(self.setting, use, i, min(TOGETHER, models - i)) for i in range(0, models, TOGETHER)]

    def file(self, results: Path) -> Path:
        """Return the path of the correlations once they are known."""
        return results / FOLDER / f"{self.setting.name}-models{self.models}.parquet"


def train(group: Group, say: workers.Say, *, folders: Folders) -> None:
    """Retrain a group of models."""
    ground = ground_of(group.setting, folders)
    numbers = range(group.first, group.first + group.count)
    runs = [run_of(len(ground.train), use=group.use, seed=group.setting.seed, number=number) for number in numbers]
    retrain(ground, runs, group.file(folders.results))
    say(group.file(folders.results).name)


def answer(question: Question, say: workers.Say, *, folders: Folders) -> None:
    """Correlate every score with the truth."""
    ground = ground_of(question.setting, folders)
    pairs = np.arange(question.models) // 2 % 2
    truth, one, other = (truth_of(question, ground, folders, chosen) for chosen in (pairs >= 0, pairs == 0, pairs == 1))
    found = {name: truth.correlations(score(ground)) for name, score in ESTIMATES.items()}
    found[CEILING] = one.agreement(other)
    shared = {name: getattr(question.setting, name) for name in ("dataset", "noise", "seed")} | machine.versions()
    shared |= {"epochs": ground.epochs, "rows_train": len(ground.train), "models": question.models}
    rows = [shared | {"score": name} | correlations for name, correlations in found.items()]
    storage.write(question.file(folders.results), rows, schema=FOUND)
    say(f"{question.setting.name} answered")


def truth_of(question: Question, ground: Ground, folders: Folders, chosen: Bool[np.ndarray, " models"]) -> Truth:
    """Return what the chosen models measured."""
    halves, wholes = (
        np.concatenate([performance_in(group.file(folders.results)) for group in question.of(use, models)])
        for use, models in ((HALVES, question.models), (WHOLES, FULL_MODELS))
    )
    numbers, samples = range(question.models), len(ground.train)
    runs = [run_of(samples, use=HALVES, seed=ground.seed, number=number) for number in numbers]
    return Truth.of(halves[chosen], included(runs, samples)[chosen], wholes[np.resize(chosen, len(wholes))])


def results_in(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return all rows."""
    return storage.read([folder / FOLDER for folder in folders], schema=FOUND)


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table for each setting, scores by truths, with the best of each bold."""
    yield "## What the scores measure"
    yield "Spearman's rank correlation of each score with what retraining shows (`benchmarks/fidelity.py`)."
    for key in dict.fromkeys((row["dataset"], row["noise"], row["rows_train"], row["models"]) for row in rows):
        chosen = [row for row in rows if (row["dataset"], row["noise"], row["rows_train"], row["models"]) == key]
        yield f"### {key[0]}, {100 * key[1]:g} % label noise ({key[2]:,} rows, {key[3]} models)"
        best = {name: max(row[name] for row in chosen if row["score"] != CEILING) for name in TRUTHS}
        yield table(["score", *TRUTHS.values()], ([row["score"], *_shown(row, best)] for row in chosen))


def _shown(row: dict[str, Any], best: dict[str, float]) -> list[str]:
    return [f"**{row[name]:.3f}**" if row[name] == best[name] else f"{row[name]:.3f}" for name in TRUTHS]


def main() -> None:
    """Run, and fail if anything is left unfinished."""
    options = command.parser(__doc__)
    options.add_argument("--models", type=int, default=72, help="on random halves")
    options.add_argument("--noise", nargs="+", type=float, default=(0.0, 0.2), help="shares of flipped labels")
    asked, folders = command.begun(options, "benchmarks.fidelity")
    names = [name for name in BENCHMARKS if name in asked.datasets]
    settings = [Setting(name, noise, 0, asked.epochs, asked.rows) for name in names for noise in asked.noise]
    questions = [Question(setting, asked.models) for setting in settings]
    open_questions = [one for one in questions if not one.file(folders.results).exists()]
    groups = [group for question in open_questions for group in question.groups]
    untrained = [group for group in groups if not group.file(folders.results).exists()]
    workers.run(untrained, partial(train, folders=folders), jobs=asked.jobs)
    workers.run(open_questions, partial(answer, folders=folders), jobs=asked.jobs)
    sys.exit(not all(question.file(folders.results).exists() for question in questions))


if __name__ == "__main__":
    main()
