"""The command-line options that all experiments share."""

import argparse
import sys
from pathlib import Path

from benchmarks.datasets import BENCHMARKS
from benchmarks.ground import Folders
from benchmarks.harness import storage


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all experiments have."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("data", type=Path, help="the folder of real data")
    options.add_argument("--results", type=Path, required=True, help="the folder that keeps what is finished")
    options.add_argument("--datasets", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    options.add_argument("--epochs", type=int, help="of the proxy; its own default where left out")
    options.add_argument("--rows", type=int, help="the most training rows")
    options.add_argument("--jobs", type=int, default=2, help="worker processes of one thread each")
    return options


def begun(options: argparse.ArgumentParser, module: str) -> tuple[argparse.Namespace, Folders]:
    """Parse the arguments and note the command among the results."""
    asked = options.parse_args()
    names = {str(asked.data): "DATA", str(asked.results): "DIR"}
    storage.note_command(module, asked.results, sys.argv[1:], folders=names)
    return asked, Folders(asked.data.resolve(), asked.results.resolve())
