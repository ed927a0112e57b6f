"""The command-line options that all experiments share."""

import argparse
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import get_args

from benchmarks.datasets import BENCHMARKS
from benchmarks.harness import storage
from benchmarks.setting import Folders, Setting
from ted_core.proxies.spec import Precision


def folder_options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options for where data is read and results are kept."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("data", type=Path, help="the folder of real data")
    options.add_argument("--results", type=Path, required=True, help="the folder that keeps what is finished")
    return options


def experiment_options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of all experiments that train proxies on the benchmarks' datasets."""
    options = folder_options(about)
    options.add_argument("--datasets", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    options.add_argument("--epochs", type=int, help="of the proxy; its own default where left out")
    options.add_argument("--rows", type=int, help="the most training rows")
    options.add_argument("--precision", choices=get_args(Precision), help="of the proxy; its own where left out")
    options.add_argument("--jobs", type=int, default=2, help="worker processes")
    return options


def parse(options: argparse.ArgumentParser, module: str) -> tuple[argparse.Namespace, Folders]:
    """Parse the arguments and note the command among the results."""
    arguments = options.parse_args()
    names = {str(arguments.data): "DATA", str(arguments.results): "DIR"}
    storage.note_command(module, arguments.results, sys.argv[1:], folders=names)
    return arguments, Folders(arguments.data.resolve(), arguments.results.resolve())


def settings(arguments: argparse.Namespace, *, noise: Iterable[float], seeds: Iterable[int]) -> list[Setting]:
    """Return the setting of each dataset, share of noise and seed, small datasets first."""
    datasets = [name for name in BENCHMARKS if name in arguments.datasets]
    axes = product(datasets, noise, seeds)
    training = arguments.epochs, arguments.rows, arguments.precision
    return [Setting(dataset, share, seed, *training) for dataset, share, seed in axes]
