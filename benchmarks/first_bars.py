"""Measure the first release's bars over HTTP, against a service of the benchmark's own.

``python -m benchmarks.first_bars DATA`` needs the folders ``fashion_mnist`` (IDX) and ``cifar10`` (Parquet, ``train``
in the file's name) in DATA. For each seed, a TED job and a random job prune Fashion-MNIST to 70 %, and a fresh ``mlp``
is trained on all rows and on the rows of each manifest. Then one ``cnn`` job of three epochs prunes CIFAR-10, to
measure its memory.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table

from ted_cli.local.temporary import temporary_service
from ted_client import Client, Job
from ted_core.datasets import DatasetSpec, Limits, Samples, load
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.results.manifest import read_manifest
from ted_core.training.trainer import fit

SEEDS = (0, 1, 2)
MLP, CNN = ProxySpec(name="mlp", epochs=12), ProxySpec(name="cnn", epochs=3)
KEEP_RATIO = 0.7
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Selected:
    """One job that was run over HTTP."""

    seconds: float
    """From POST to the end of the download."""
    peak_megabytes: float
    """Of the training process's resident memory."""
    cost_of_one_full_run: float


@dataclass(frozen=True)
class Measured:
    """All measurements; accuracies are shares of the test set, one for each seed."""

    machine: str
    accuracies: Mapping[str, Sequence[float]]
    fashion_jobs: Sequence[Selected]
    cifar_loading_seconds: float
    cifar_job: Selected


def selected(client: Client, dataset: DatasetSpec, proxy: ProxySpec, path: Path, **plan: object) -> Selected:
    """Submit a job, wait for it and download its manifest to ``path``."""
    request = {
        "dataset": dataset.model_dump(exclude_none=True),
        "proxy": proxy.model_dump(exclude_none=True),
        "plan": {"keep_ratio": KEEP_RATIO, **plan},
    }
    began = time.perf_counter()
    with peak_of_runner() as peak:
        job: Job = client.wait(client.submit(request).id).require_success()
        client.download(job.id, path)
    return Selected(time.perf_counter() - began, peak(), job.result["cost"]["of_one_full_run"])


@contextmanager
def peak_of_runner() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the most resident memory a runner was seen to use meanwhile, in MiB."""
    stop, seen = Event(), [0.0]

    def look() -> None:
        while not stop.wait(0.2):
            seen.extend(_resident(process) for process in psutil.Process().children(recursive=True))

    thread = Thread(target=look, daemon=True)
    thread.start()
    yield lambda: max(seen)
    stop.set()
    thread.join()


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / MEGABYTE) if "worker.runner" in process.cmdline() else 0.0
    except psutil.Error:
        return 0.0


def fashion(data: Path, part: str) -> DatasetSpec:
    """Return the ``train`` or ``t10k`` part of Fashion-MNIST."""
    files = {"input": f"{part}-images-idx3-ubyte.gz", "target": f"{part}-labels-idx1-ubyte.gz"}
    uri = str(data / "fashion_mnist")
    return DatasetSpec.model_validate({"uri": uri, "format": "idx", "task": "image-classification", **files})


def cifar(data: Path) -> DatasetSpec:
    """Return the training part of CIFAR-10."""
    path = next(path for path in sorted((data / "cifar10").iterdir()) if "train" in path.name)
    return DatasetSpec(uri=str(path), task="image-classification")


def loaded(spec: DatasetSpec, data: Path) -> Samples:
    """Load the samples on all cores."""
    return load(spec, roots=[data], limits=Limits(threads=torch.get_num_threads()))


def on_fashion(client: Client, data: Path, folder: Path) -> tuple[dict[str, list[float]], list[Selected]]:
    """Return the accuracies of fresh models for each choice of rows, and the jobs that chose them."""
    train, test = (loaded(fashion(data, part), data) for part in ("train", "t10k"))
    accuracies: dict[str, list[float]] = {"full": [], "ted": [], "random": []}
    jobs = []
    for seed in SEEDS:
        rows = {"full": np.arange(len(train))}
        for method in ("ted", "random"):
            path = folder / f"{method}-{seed}.parquet"
            job = selected(client, fashion(data, "train"), MLP, path, method=method, seed=seed)
            jobs += [job] if method == "ted" else []
            rows[method] = read_manifest(path).row_indices.astype(np.int64)
        for name, chosen in rows.items():
            accuracies[name].append(fit(train, chosen, proxy=resolve_proxy(MLP), seed=seed).accuracy(test))
    return accuracies, jobs


def measured(data: Path) -> Measured:
    """Measure everything."""
    began = time.perf_counter()
    loaded(cifar(data), data)
    loading = time.perf_counter() - began
    with TemporaryDirectory() as folder, temporary_service(Path(folder) / "home", roots=[data]) as client:
        accuracies, jobs = on_fashion(client, data, Path(folder))
        cifar_job = selected(client, cifar(data), CNN, Path(folder) / "cifar.parquet")
    machine = f"{platform.machine()}, {psutil.cpu_count()} cores, torch {torch.__version__}"
    return Measured(machine, accuracies, jobs, loading, cifar_job)


def bars(found: Measured) -> dict[str, bool]:
    """Say whether each bar holds."""
    full, ted, random = (mean(found.accuracies[name]) for name in ("full", "ted", "random"))
    return {
        "Fashion-MNIST job under 4 minutes": max(job.seconds for job in found.fashion_jobs) < 240,  # noqa: PLR2004
        "within 0.5 points of full data": full - ted < 0.005,  # noqa: PLR2004
        "above random": ted > random,
        "CIFAR-10 loaded in under 30 s": found.cifar_loading_seconds < 30,  # noqa: PLR2004
        "CIFAR-10 job under 2 GiB": 0 < found.cifar_job.peak_megabytes < 2048,  # noqa: PLR2004
    }


def table(accuracies: Mapping[str, Sequence[float]]) -> Table:
    """Table the test accuracies."""
    shown = Table("trained on", *(f"seed {seed}" for seed in SEEDS), "mean", "sd", title="Fashion-MNIST, 70 % kept")
    for name, values in accuracies.items():
        numbers: list[Any] = [*values, mean(values), stdev(values)]
        shown.add_row(name, *(f"{value:.2%}" for value in numbers))
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    asked, console = parser.parse_args(), Console()
    found = measured(asked.data.resolve())
    console.print(found.machine, table(found.accuracies), found.fashion_jobs, found.cifar_job)
    console.print(f"CIFAR-10 loaded in {found.cifar_loading_seconds:.1f} s")
    for bar, holds in bars(found).items():
        console.print("[green]holds[/]" if holds else "[red]missed[/]", bar)
    if asked.json:
        asked.json.write_text(json.dumps(asdict(found), indent=2) + "\n")


if __name__ == "__main__":
    main()
