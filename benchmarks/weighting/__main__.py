"""``python -m benchmarks.weighting DATA --results DIR``: run all unfinished cells; it may be stopped and restarted."""

import argparse
from functools import partial
from itertools import product

from rich.console import Console

from benchmarks.harness import command, workers
from benchmarks.harness.result_set import unfinished
from benchmarks.held_back.__main__ import PERCEPTRONS
from benchmarks.held_back.cells import HeldBackCell
from benchmarks.held_back.label_noise import KINDS
from benchmarks.weighting.cells import RESULTS, WeightingCell, run_cell
from benchmarks.weighting.tables import section


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.folder_options(__doc__)
    parser.add_argument("--datasets", nargs="+", choices=PERCEPTRONS, default=PERCEPTRONS)
    parser.add_argument("--noise", nargs="+", choices=list(KINDS), default=["clean", "symmetric-20"])
    parser.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.3], help="keep ratios, between 0 and 1")
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    parser.add_argument("--rows", type=int, default=6000, help="the most rows to select from")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of one thread each")
    return parser


def main() -> None:
    """Run what is missing and print what all finished cells say."""
    arguments, folders = command.parse(options(), "benchmarks.weighting")
    axes = product(arguments.datasets, range(arguments.seeds), arguments.noise, arguments.kept)
    cells = [WeightingCell(HeldBackCell(name, noise, kept, seed, arguments.rows)) for name, seed, noise, kept in axes]
    work = partial(run_cell, folders=folders)
    workers.run(unfinished(cells, folders.results), work, jobs=arguments.jobs)
    if finished := RESULTS.read([folders.results]):
        Console().print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
