"""``python -m benchmarks.ranks.owners DATA``: what is lost where each rank selects from files of its own.

The training rows of Letter are written as eight Parquet files, in the order of the data and in the order of their
classes, so that each rank has classes that no other has. The real runner selects from them: one rank all by itself,
then two and four that divide the files. From every selection fresh models are trained, the same for all of them, and
tested on the test rows. Then the same runner selects from a large made-up table, and what its ranks take is watched.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets import letter
from benchmarks.fresh_models import evaluate_fresh_model, train_fresh_model, training_seed
from benchmarks.harness.markdown import NOTHING, PERCENT, table
from benchmarks.random_streams import BenchmarkStream
from benchmarks.ranks.runner import assignment, until_staged
from ted_core.datasets import Samples
from ted_core.evaluation.intervals import Interval, difference
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.python_process import module_command
from ted_core.random_streams import stream_rng
from ted_jobs.jobs.spec import JobSpec

SHARDS, KEPT = 8, 0.7
RANKS = (1, 2, 4)
"""One rank samples globally."""
MADE_UP_ROWS, MADE_UP_FEATURES = 400_000, 64
WATCHED_SECONDS = 0.02
MEGABYTE = 1e6


def main() -> None:
    """Select, train, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=5, help="Fresh models for each selection.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train, test = letter(arguments.data, folder)
        for order in ("of the data", "by class"):
            rows = np.argsort(train.labels, kind="stable") if order == "by class" else None
            task = Comparison(train, test, write_shards(train, folder / order.replace(" ", "_"), rows=rows), rows)
            found = task.accuracies(range(arguments.seeds), arguments.models)
            sys.stdout.write(f"\nFiles in the order {order}\n\n{accuracy_table(found)}\n")
            sys.stdout.flush()
        sys.stdout.write(f"\n{memory_table(made_up_table(folder / 'made_up'))}\n")


# --- accuracy ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """The same rows, sampled globally and by ranks."""

    train: Samples
    test: Samples
    shards: Path
    order: np.ndarray | None
    """Which training row each row of the files is; None for the same."""

    def accuracies(self, seeds: Sequence[int], models: int) -> dict[int, list[float]]:
        """Return, for each number of ranks, the mean test accuracy of the fresh models of each seed."""
        return {ranks: [self._accuracy(ranks, seed, models) for seed in seeds] for ranks in RANKS}

    def _accuracy(self, ranks: int, seed: int, models: int) -> float:
        kept = selected(job(self.shards, ranks, seed=seed, keep_ratio=KEPT), ranks).rows
        rows = np.sort(kept if self.order is None else self.order[kept])
        proxy = resolve_proxy(ProxySpec(name="mlp"))
        passes = [rows] * proxy.training.epochs

        def tested(number: int) -> float:
            own = training_seed(seed * models + number)
            fitted = partial(train_fresh_model, self.train, passes, proxy=proxy, seed=own)
            return evaluate_fresh_model(fitted, self.test).accuracy

        return mean(map(tested, range(models)))


def accuracy_table(found: Mapping[int, Sequence[float]]) -> str:
    """Return accuracies by number of ranks, and how they differ from those of one rank."""
    lines = []
    for ranks, accuracies in found.items():
        told = [points(difference(accuracies, found[1]))] if ranks > 1 else [NOTHING]
        lines.append([named(ranks), f"{PERCENT * mean(accuracies):.2f}", *told])
    return table(["", "accuracy", "points relative to global, 95 % interval"], lines)


def points(interval: Interval) -> str:
    """Return the difference and its interval, to a hundredth of a point."""
    ends = [f"{PERCENT * end:+.2f}" for end in (interval.low, interval.high)]
    return f"{PERCENT * interval.mean:+.2f} [{', '.join(ends)}]"


def named(ranks: int) -> str:
    """Return what so many ranks do."""
    return f"sharded, {ranks} ranks" if ranks > 1 else "global, one rank"


# --- memory -----------------------------------------------------------------------------------------------------------


def memory_table(folder: Path) -> str:
    """Return what ranks take to select from a made-up table."""
    lines = []
    for ranks in RANKS:
        spec = job(folder, ranks, seed=0, keep_ratio=KEPT, epochs=2)
        taken = selected(spec, ranks).megabytes
        lines.append([named(ranks), *(f"{value:,.0f}" for value in (min(taken), max(taken), sum(taken)))])
    return table(["", "MB of the smallest rank", "of the largest", "of all"], lines)


def made_up_table(folder: Path) -> Path:
    """Write numbers in two classes as eight files."""
    rng = stream_rng(0, BenchmarkStream.OWNERS)
    labels = rng.integers(0, 2, MADE_UP_ROWS)
    inputs = rng.normal(size=(MADE_UP_ROWS, MADE_UP_FEATURES)).astype(np.float32) + labels[:, None]
    return write_shards(
        Samples(inputs, labels, ("0", "1"), np.arange(MADE_UP_ROWS, dtype=np.uint64), MADE_UP_ROWS), folder
    )


# --- both -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selected:
    """What a runner has found, and what it took."""

    rows: np.ndarray
    megabytes: list[float]
    """For each rank the most anonymous memory at any time, beyond what it had when the runner began."""


def write_shards(samples: Samples, folder: Path, *, rows: np.ndarray | None = None) -> Path:
    """Write the rows as Parquet files of about equally many."""
    folder.mkdir()
    order = np.arange(len(samples)) if rows is None else rows
    names = [f"x{number}" for number in range(samples.input_shape[0])]
    for number, part in enumerate(np.array_split(order, SHARDS)):
        columns = dict(zip(names, samples.inputs[part].T, strict=True))  # type: ignore[index]
        label = np.array(samples.classes)[samples.labels[part]]
        pq.write_table(pa.table(columns | {"label": label}), folder / f"{number}.parquet")
    return folder


def job(folder: Path, ranks: int, *, seed: int, epochs: int | None = None, **plan: Any) -> JobSpec:
    """The job that is run on so many ranks."""
    dataset = {"uri": str(folder), "format": "parquet", "task": "tabular-classification"}
    sampling = "sharded" if ranks > 1 else "global"
    return JobSpec.model_validate(
        {
            "dataset": dataset,
            "proxy": {"name": "mlp", "epochs": epochs},
            "plan": {**plan, "seed": seed, "sampling": sampling},
            "report_samples": False,
        }
    )


def selected(spec: JobSpec, ranks: int) -> Selected:
    """Run the job once."""
    with tempfile.TemporaryDirectory() as folder:
        text = f"{assignment(spec.dataset, spec, ranks, Path(folder)).model_dump_json()}\n"
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(module_command("worker.runner"), text=True, **streams) as process:  # noqa: S603 - our own module
            watch = MemoryWatch(process.pid)
            print(text, file=process.stdin, end="", flush=True)
            found = until_staged(process.stdout)
            megabytes = watch.finish()
        rows = pq.read_table(found["manifest"], columns=["row_index"])["row_index"].to_numpy()
    return Selected(rows.astype(np.int64), megabytes)


class MemoryWatch:
    """Looks at a runner and its ranks again and again."""

    def __init__(self, runner: int) -> None:
        self.runner, self.most, self.ended = psutil.Process(runner), dict[int, float](), Event()
        self.thread = Thread(target=self._watch, daemon=True)
        self.thread.start()

    def finish(self) -> list[float]:
        """Return the most megabytes that each rank has taken."""
        self.ended.set()
        self.thread.join()
        return list(self.most.values())

    def _watch(self) -> None:
        while not self.ended.is_set():
            for rank in self._ranks():
                taken = _anonymous(rank.pid)
                self.most[rank.pid] = max(self.most.get(rank.pid, 0.0), taken)
            time.sleep(WATCHED_SECONDS)

    def _ranks(self) -> Iterator[psutil.Process]:
        yield self.runner
        yield from self.runner.children()


def _anonymous(pid: int) -> float:
    """The process's anonymous memory in megabytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / MEGABYTE for line in lines if line.startswith("RssAnon")), 0.0)


if __name__ == "__main__":
    main()
