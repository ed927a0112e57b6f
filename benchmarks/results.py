"""``python -m benchmarks.results DIR [DIR ...] --write FILE``: all finished results as one Markdown document.

What one gains and loses comes first, then where TED loses, what selecting costs, and the details of every dataset.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import fidelity, label_quality, noise
from benchmarks.accuracy.cells import FULL, RESULTS
from benchmarks.accuracy.experiments import Experiment, experiments_in
from benchmarks.accuracy.overview import overview
from benchmarks.accuracy.selection_work import work_of_methods
from benchmarks.accuracy.summary import losses, summary
from benchmarks.accuracy.tables import BUDGETS, TED, section
from benchmarks.cost import turns as cost
from benchmarks.harness.storage import commands_in
from benchmarks.instructions import tables as instructions
from ted_core.evaluation.intervals import CONFIDENCE

QUESTION = """What does a fresh model lose, or gain, if it trains on the rows that TED keeps instead of all? This page
answers with test accuracies, on test samples that no rule and no setting was ever chosen on. **TED** is the default
plan: the score is the *margin* ([how TED works](how-ted-works.md#the-score-the-margin)), and nothing is searched for.
The model is of the proxy's kind and trains for as many epochs as with all rows, so that a run on 70 % of the rows
costs 70 %; [how it was measured](#how-it-was-measured) is told below.

Elsewhere: [runs that prune as they go](results-dynamic.md), [CIFAR-10 with convolutional
networks](families/images.md), [fine-tuned encoders](families/text.md) and [language
models](families/language-models.md)."""

WORDS = f"""Differences are in percentage points, taken seed by seed, with Student's intervals at {CONFIDENCE:.0%}.
*Lossless* (in bold) means that the whole interval lies above -0.3 points (-0.5 for text), *better* and *worse* that it
lies on one side of zero."""

PROTOCOL = """Each seed draws the label noise and seeds selection and training; a fresh model is then trained on the
retained rows from other initial weights. Wrong labels are in the training samples only. Accuracies are means ±
standard deviations over the seeds, whose number stands in brackets where it is lower than in the rest of the table.
No method's setting was chosen on test samples; which rival is the best is known only afterwards. The rows of a test
set are the same for every seed: what they leave uncertain is not in the intervals. TED's cells with wrong labels were
measured after [decision 34](decisions/0034-how-sure-the-twins-are.md), which changes how many of the labels that look
wrong are cut off; those without, the costs and the label quality before it."""


def opening(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the question, and what everything was measured with."""
    used = {name: ", ".join(sorted({str(row[name]) for row in rows})) for name in ("hardware", "torch", "threads")}
    seeds = len({row["seed"] for row in rows})
    yield "# Results"
    yield QUESTION
    yield f"{used['hardware']}; torch {used['torch']}; {used['threads']} thread per process; up to {seeds} seeds."


def headlines(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield what pruning gains and loses, and where TED loses."""
    yield "## What one gains and loses"
    yield WORDS
    yield from overview(experiments)
    yield "## Where TED loses"
    yield "\n".join(losses(experiments))
    yield "## TED against each other method"
    yield from summary(experiments)


def costs(experiments: Sequence[Experiment], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what selecting costs, counted and in time."""
    yield "## What a selection costs"
    yield (
        "In full training runs of the proxy, counted in rows trained on and a third of the rows measured, mean over "
        "the datasets. Each method is charged for what it needs by itself."
    )
    yield work_of_methods(experiments)
    if rows:
        yield from cost.section(rows)


def datasets(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield a figure and the tables of every dataset."""
    yield "## Every dataset"
    for name, group in groupby(experiments, key=lambda each: each.dataset):
        yield f"![{name}: accuracy against kept](figures/accuracy-{name}.svg)"
        for experiment in group:
            yield from section(experiment)


def other_budgets(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield the tables of fresh models that may spend more than as many epochs."""
    for budget in (name for name in BUDGETS if name != "epochs"):
        chosen = [experiment for experiment in experiments if experiment.budget == budget]
        if chosen:
            yield f"## {BUDGETS[budget].capitalize()}"
        for experiment in chosen:
            yield from section(experiment)


def protocol(folders: Sequence[Path]) -> Iterator[str]:
    """Yield how everything was measured."""
    yield "## How it was measured"
    yield PROTOCOL
    yield "The commands:\n\n```\n" + "\n".join(commands_in(folders)) + "\n```"


def document(folders: Sequence[Path]) -> str:
    """Return the whole document."""
    others = (label_quality, noise, fidelity, instructions)
    rows_of = {module: module.RESULTS.read(folders) for module in (cost, *others)}
    rows = [*RESULTS.read(folders), *(row for rows in rows_of.values() for row in rows)]
    experiments = experiments_in(folders)
    usual = [each for each in experiments if each.budget == "epochs" and {TED, FULL} <= set(each.methods)]
    parts = [
        *opening(rows),
        *headlines(usual),
        *costs(usual, rows_of[cost]),
        *(part for module in others if rows_of[module] for part in module.section(rows_of[module])),
        *datasets(usual),
        *other_budgets(experiments),
        *protocol(folders),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the document to a file, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="folders of results; of double cells the last ones count")
    parser.add_argument("--write", type=Path, help="this file instead of the screen")
    arguments = parser.parse_args()
    text = document(arguments.results)
    arguments.write.write_text(text) if arguments.write else Console().print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
