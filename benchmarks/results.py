"""``python -m benchmarks.results DIR [DIR ...] --write FILE``: all finished results as one Markdown document."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import cost, fidelity, label_quality, noise
from benchmarks.accuracy.cells import RESULTS
from benchmarks.accuracy.experiments import Experiment, experiments_in
from benchmarks.accuracy.summary import summary
from benchmarks.accuracy.tables import BUDGETS, TED, section
from benchmarks.harness.storage import commands_in
from benchmarks.instructions import tables as instructions
from benchmarks.intervals import CONFIDENCE

READING = f"""Each seed draws the label noise and seeds selection and training; a fresh model is then trained on the
retained rows from other initial weights. Accuracies are on the untouched test samples: mean ± standard deviation over
the seeds. Differences are taken seed by seed; their intervals are Student's at {CONFIDENCE:.0%}. "Better" and "worse"
mean that the whole interval lies on one side of zero, "lossless" that it lies above -0.3 points (-0.5 for text). No
method's setting was chosen on test samples; the best fixed q, and the best rival, are known only afterwards."""


def header(rows: Sequence[dict[str, Any]], folders: Sequence[Path]) -> Iterator[str]:
    """Yield what everything was measured with."""
    used = {name: ", ".join(sorted({str(row[name]) for row in rows})) for name in ("hardware", "torch", "threads")}
    seeds = len({row["seed"] for row in rows})
    yield "# Results"
    yield f"{used['hardware']}; torch {used['torch']}; {used['threads']} thread per process; up to {seeds} seeds."
    yield "Made by:\n\n```\n" + "\n".join(commands_in(folders)) + "\n```"
    yield READING


def accuracy(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield what the retained rows are worth to a fresh model."""
    for budget, words in BUDGETS.items():
        chosen = [experiment for experiment in experiments if experiment.budget == budget]
        if any(TED in experiment.methods for experiment in chosen):
            yield f"## Accuracy: {words}"
            yield from summary(chosen)
            yield from pictures(chosen)
        for experiment in chosen:
            yield from section(experiment)


def pictures(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Yield the figures that ``benchmarks.plots`` draws of these."""
    if experiments[0].budget == "epochs":
        for name in dict.fromkeys(each.dataset for each in experiments if TED in each.methods):
            yield f"![{name}: accuracy against kept](figures/accuracy-{name}.svg)"


def document(folders: Sequence[Path]) -> str:
    """Return the whole document."""
    rows_of = {module: module.RESULTS.read(folders) for module in (cost, fidelity, noise, label_quality, instructions)}
    rows = [*RESULTS.read(folders), *(row for rows in rows_of.values() for row in rows)]
    others = (part for module, own in rows_of.items() if own for part in module.section(own))
    parts = [*header(rows, folders), *accuracy(experiments_in(folders)), *others]
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
