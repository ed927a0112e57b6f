"""``python -m benchmarks.ranks DATA``: the wall time of a job on two ranks, in that of the same job on one.

Each job is run by the real runner, from the moment it is given its assignment to its report that everything is written;
one thread a rank. Both take turns, so that a machine that slows down affects both.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.datasets import letter
from benchmarks.ranks.runner import assignment, until_staged
from ted_core.python_process import module_command
from ted_jobs.jobs.spec import JobSpec

ALONE = "one rank"
FASHION = {
    "format": "idx",
    "task": "image-classification",
    "input": "train-images-idx3-ubyte.gz",
    "target": "train-labels-idx1-ubyte.gz",
}


@dataclass(frozen=True)
class Timed:
    """One job."""

    wall_seconds: float
    content: str
    pruning_seconds: float
    rank_seconds: float
    """Of the processor, for the rank that took most: what the job takes where every rank has a core."""


def main() -> None:
    """Run the jobs in turns and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--dataset", choices=["letter", "fashion_mnist"], default="letter")
    parser.add_argument("--proxy", default="mlp")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = job(arguments, Path(folder))
        turns = [turn(spec, arguments.ranks, Path(folder)) for _ in range(arguments.turns)]
    for name, fact in itertools.product(turns[0], ("wall_seconds", "pruning_seconds", "rank_seconds")):
        numbers = [getattr(each[name], fact) for each in turns]
        ratios = [getattr(each[name], fact) / getattr(each[ALONE], fact) for each in turns]
        told = " ".join(f"{number:.1f}" for number in numbers)
        sys.stdout.write(f"{name}, {fact}: {told}; in that of one rank: {median(ratios):.2f}\n")
    sys.stdout.write(f"same content: {len({each.content for one in turns for each in one.values()}) == 1}\n")


def turn(spec: JobSpec, ranks: int, folder: Path) -> dict[str, Timed]:
    """Run the job on one rank, on several, and on one beside another: what cores cost each other shows there."""
    alone, several = timed(spec, 1, folder), timed(spec, ranks, folder)
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(lambda _: timed(spec, 1, folder), range(2))
    slower = max(first, second, key=lambda each: each.wall_seconds)
    return {ALONE: alone, f"{ranks} ranks": several, "one rank beside another job": slower}


def job(arguments: argparse.Namespace, folder: Path) -> JobSpec:
    """The job that is run, and its dataset in a form that the service reads."""
    dataset = {"uri": str(arguments.data / "fashion_mnist"), **FASHION}
    if arguments.dataset == "letter":
        train, _ = letter(arguments.data, folder)
        np.savez(folder / "letter.npz", x=train.inputs, y=train.labels)
        dataset = {"uri": str(folder / "letter.npz"), "task": "tabular-classification"}
    proxy = {"name": arguments.proxy, "epochs": arguments.epochs}
    plan = {"keep_ratio": 0.3, "seed": arguments.seed}
    return JobSpec.model_validate({"dataset": dataset, "proxy": proxy, "plan": plan, "report_samples": False})


def timed(spec: JobSpec, ranks: int, folder: Path) -> Timed:
    """Run the job once."""
    own = Path(tempfile.mkdtemp(dir=folder))
    began = time.monotonic()
    text = f"{assignment(spec.dataset, spec, ranks, own).model_dump_json()}\n"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(module_command("worker.runner"), text=True, **streams) as process:  # noqa: S603 - our own module
        print(text, file=process.stdin, end="", flush=True)
        staged = until_staged(process.stdout)
        wall = time.monotonic() - began
        longest = _longest_rank(process.pid)
    result = staged["result"]
    return Timed(wall, result["content_sha256"], result["seconds"]["pruning"], longest)


def _longest_rank(runner: int) -> float:
    """The processor time of the runner, or of the rank that it has forked and waited for, whichever is longer."""
    fields = Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()
    own, others = (sum(map(int, fields[place : place + 2])) for place in (11, 13))
    return max(own, others) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
