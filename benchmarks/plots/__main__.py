"""``python -m benchmarks.plots DATA --results DIR [DIR ...] --figures DIR``: draw what is finished."""

import argparse
from itertools import groupby
from pathlib import Path

from benchmarks.accuracy.experiments import experiments_in
from benchmarks.ground import Folders
from benchmarks.plots.accuracy import figure_of
from benchmarks.plots.pictures import contact_sheet, fashion, histogram
from benchmarks.plots.style import save


def draw_accuracies(results: list[Path], figures: Path) -> None:
    """Draw a figure for each dataset, number of rows and of epochs for which TED was run with equal epochs."""
    found = [one for one in experiments_in(results) if one.budget == "epochs" and "ted" in one.methods]
    for (name, *_), group in groupby(found, key=lambda one: (one.dataset, one.rows, one.epochs)):
        save(figure_of(list(group)), figures / f"accuracy-{name}.svg")


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of real data")
    parser.add_argument("--results", nargs="+", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True, help="the folder to draw into")
    asked = parser.parse_args()
    draw_accuracies(asked.results, asked.figures)
    if (asked.data / "fashion_mnist").is_dir():
        pruned = fashion(Folders(asked.data.resolve(), asked.results[0].resolve()))
        save(histogram(pruned), asked.figures / "fashion-scores.svg")
        save(contact_sheet(pruned), asked.figures / "fashion-examples.png")


if __name__ == "__main__":
    main()
