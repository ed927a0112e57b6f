"""``python -m benchmarks.accuracy DATA --results DIR``: run all unfinished cells; it may be stopped and restarted."""

import argparse
import sys

from rich.console import Console

from benchmarks.accuracy.cells import Grid
from benchmarks.accuracy.methods import METHODS
from benchmarks.accuracy.running import BUDGETS, run
from benchmarks.harness import command
from benchmarks.harness.result_set import unfinished

AXES = ("datasets", "noise", "kept", "methods", "budget", "epochs", "rows", "precision")
KEPT = (0.8, 0.7, 0.6, 0.5, 0.3, 0.1)


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command.experiment_options(__doc__)
    parser.add_argument("--kept", nargs="+", type=float, default=KEPT, help="keep ratios, between 0 and 1")
    parser.add_argument("--noise", nargs="+", type=float, default=(0.0, 0.2), help="shares of flipped training labels")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5, help="how many, counted from 0")
    parser.add_argument("--budget", choices=list(BUDGETS), default="epochs", help="what the fresh models may spend")
    parser.add_argument("--threads", type=int, default=1, help="of each worker process")
    return parser


def main() -> None:
    """Run, and fail if any cells are left unfinished."""
    arguments, folders = command.parse(options(), "benchmarks.accuracy")
    console = Console(stderr=True)
    axes = {name: getattr(arguments, name) for name in AXES}
    cells = Grid(**axes, seeds=range(arguments.seeds)).cells()
    console.print(f"{len(unfinished(cells, folders.results))} of {len(cells)} cells are unfinished")
    failed = run(cells, folders, jobs=arguments.jobs, threads=arguments.threads)
    if failed:
        console.print(f"[red]{len(failed)} cells are left unfinished[/], {failed[0].name} first")
        sys.exit(1)


if __name__ == "__main__":
    main()
