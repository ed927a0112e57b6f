"""``python -m benchmarks.plots DATA --results DIR [DIR ...] --figures DIR``: draw what is finished."""

import argparse
from itertools import groupby
from pathlib import Path

from benchmarks.accuracy.experiments import experiments_in
from benchmarks.plots.accuracy import figure_of
from benchmarks.plots.pictures import contact_sheet, histogram, prune_fashion
from benchmarks.plots.style import save
from benchmarks.setting import Folders


def draw_accuracies(results: list[Path], figures: Path) -> None:
    """Draw a figure for each dataset, number of rows and of epochs for which TED was run with equal epochs."""
    experiments = [each for each in experiments_in(results) if each.budget == "epochs" and "ted" in each.methods]
    for (name, *_), group in groupby(experiments, key=lambda each: (each.dataset, each.rows, each.epochs)):
        save(figure_of(list(group)), figures / f"accuracy-{name}.svg")


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of real data")
    parser.add_argument("--results", nargs="+", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True, help="the folder to draw into")
    arguments = parser.parse_args()
    draw_accuracies(arguments.results, arguments.figures)
    if (arguments.data / "fashion_mnist").is_dir():
        pruned = prune_fashion(Folders(arguments.data.resolve(), arguments.results[0].resolve()))
        save(histogram(pruned), arguments.figures / "fashion-scores.svg")
        save(contact_sheet(pruned), arguments.figures / "fashion-examples.png")


if __name__ == "__main__":
    main()
