"""``python -m benchmarks.held_back DATA --results DIR``: run all unfinished cells; it may be stopped and restarted."""

import argparse
from functools import partial
from itertools import product

from rich.console import Console

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import command, workers
from benchmarks.harness.result_set import unfinished
from benchmarks.held_back.cells import RESULTS, HeldBackCell, run_cell
from benchmarks.held_back.label_noise import KINDS
from benchmarks.held_back.tables import section

PERCEPTRONS = [name for name, benchmark in BENCHMARKS.items() if benchmark.proxy == "mlp"]


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.folder_options(__doc__)
    parser.add_argument("--datasets", nargs="+", choices=PERCEPTRONS, default=PERCEPTRONS)
    parser.add_argument("--noise", nargs="+", choices=list(KINDS), default=["clean", "symmetric-20"])
    parser.add_argument("--kept", nargs="+", type=float, default=[0.7, 0.6, 0.3], help="keep ratios, between 0 and 1")
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    parser.add_argument("--rows", type=int, default=15_000, help="the most rows to select from")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes of one thread each")
    return parser


def main() -> None:
    """Run what is missing and print what all finished cells say."""
    arguments, folders = command.parse(options(), "benchmarks.held_back")
    axes = product(arguments.datasets, range(arguments.seeds), arguments.noise, arguments.kept)
    cells = [HeldBackCell(dataset, noise, kept, seed, arguments.rows) for dataset, seed, noise, kept in axes]
    work = partial(run_cell, folders=folders)
    workers.run(unfinished(cells, folders.results), work, jobs=arguments.jobs)
    if finished := RESULTS.read([folders.results]):
        Console().print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
