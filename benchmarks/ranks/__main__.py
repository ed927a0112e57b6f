"""``python -m benchmarks.ranks DATA``: the wall time of a job on two ranks, in that of the same job on one.

Each job is run by the real runner, from the moment it is given its assignment to its report that everything is written;
one thread a rank. Both take turns, so that a machine that slows down affects both. Processor time is that of all ranks.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.datasets import letter
from ted_core.datasets import DatasetSpec, inspect
from ted_core.python_process import module_command
from ted_jobs.jobs.spec import JobSpec
from worker.messages import Assignment

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
    processor_seconds: float
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
        jobs = [timed(spec, ranks, Path(folder)) for _ in range(arguments.turns) for ranks in (1, arguments.ranks)]
    one, several = jobs[::2], jobs[1::2]
    ratios = [b.wall_seconds / a.wall_seconds for a, b in zip(one, several, strict=True)]
    for name, found in (("1 rank", one), (f"{arguments.ranks} ranks", several)):
        for fact in ("wall", "pruning", "processor", "rank"):
            numbers = " ".join(f"{getattr(each, f'{fact}_seconds'):.1f}" for each in found)
            sys.stdout.write(f"{name}, {fact}: {numbers} s\n")
    busiest = [b.rank_seconds / a.rank_seconds for a, b in zip(one, several, strict=True)]
    sys.stdout.write(f"wall of several in that of one: {median(ratios):.2f}; longest rank: {median(busiest):.2f}\n")
    sys.stdout.write(f"same content: {len({each.content for each in jobs}) == 1}\n")


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
    began, before = time.monotonic(), _processor_seconds()
    text = f"{assignment(spec.dataset, spec, ranks, own).model_dump_json()}\n"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(module_command("worker.runner"), text=True, **streams) as process:  # noqa: S603 - our own module
        print(text, file=process.stdin, end="", flush=True)
        staged = _staged(process.stdout)
        wall = time.monotonic() - began
        longest = _longest_rank(process.pid)
    result = staged["result"]
    return Timed(wall, _processor_seconds() - before, result["content_sha256"], result["seconds"]["pruning"], longest)


def _staged(messages: Any) -> dict[str, Any]:
    for line in messages:
        message: dict[str, Any] = json.loads(line)
        if message["kind"] == "staged":
            return message
        if message["kind"] == "failed":
            raise RuntimeError(message["message"])
    raise RuntimeError("the runner has ended without a result")


def assignment(dataset: DatasetSpec, spec: JobSpec, ranks: int, folder: Path) -> Assignment:
    """The assignment of this job for so many ranks of one thread."""
    roots = (Path(dataset.uri).parent,)
    return Assignment(
        job_id="job_benchmark",
        spec=spec,
        dataset_guard=inspect(dataset, roots=roots).change_token,
        dataset_roots=roots,
        folder=folder,
        device="cpu",
        ranks=ranks,
        threads=ranks,
        memory_bytes=None,
        max_undecodable=0,
    )


def _longest_rank(runner: int) -> float:
    """The processor time of the runner, or of the rank that it has forked and waited for, whichever is longer."""
    fields = Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()
    own, others = (sum(map(int, fields[place : place + 2])) for place in (11, 13))
    return max(own, others) / os.sysconf("SC_CLK_TCK")


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
