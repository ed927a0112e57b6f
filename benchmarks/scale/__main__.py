"""``python -m benchmarks.scale --results DIR``: run all unfinished cells; it may be stopped and restarted."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.harness import storage
from benchmarks.harness.result_set import unfinished
from benchmarks.scale.cells import RESULTS, ScaleCell, run_cell
from benchmarks.scale.tables import section


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the folder that keeps what is finished")
    parser.add_argument("--rows", nargs="+", type=lambda text: int(float(text)), default=[10**6, 10**7, 10**8])
    parser.add_argument("--kept", nargs="+", type=float, default=[0.3], help="keep ratios, between 0 and 1")
    return parser


def main() -> None:
    """Run what is missing, one process at a time, and print what all finished cells say."""
    arguments, console = options().parse_args(), Console()
    storage.note_command("benchmarks.scale", arguments.results, sys.argv[1:], folders={str(arguments.results): "DIR"})
    cells = [ScaleCell(rows, kept) for rows in sorted(arguments.rows) for kept in arguments.kept]
    for cell in unfinished(cells, arguments.results):
        run_cell(cell, Console(stderr=True).print, results=arguments.results)
    if finished := RESULTS.read([arguments.results]):
        console.print("\n\n".join(section(finished)), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
