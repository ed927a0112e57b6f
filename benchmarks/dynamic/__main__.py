"""``python -m benchmarks.dynamic DATA --results DIR``: run all unfinished cells; it may be stopped and restarted."""

import argparse
from functools import partial
from itertools import product

from rich.console import Console

from benchmarks.dynamic.cells import RESULTS, DynamicCell, run_cell
from benchmarks.dynamic.tables import section
from benchmarks.harness import command, workers
from benchmarks.harness.result_set import unfinished


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.experiment_options(__doc__)
    parser.add_argument("--visits", nargs="+", type=float, default=[0.7, 0.3], help="shares of a full run's row visits")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0, 0.2], help="shares of flipped training labels")
    parser.add_argument("--seeds", type=int, default=3, help="how many, counted from 0")
    return parser


def main() -> None:
    """Run what is missing and print what all finished cells say."""
    arguments, folders = command.parse(options(), "benchmarks.dynamic")
    settings = command.settings(arguments, noise=arguments.noise, seeds=range(arguments.seeds))
    cells = [DynamicCell(setting, share) for setting, share in product(settings, arguments.visits)]
    work = partial(run_cell, folders=folders)
    workers.run(unfinished(cells, folders.results), work, jobs=arguments.jobs)
    if finished := RESULTS.read([folders.results]):
        Console().print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
