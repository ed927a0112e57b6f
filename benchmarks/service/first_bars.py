"""Measure the first release's bars over HTTP, against a service of the benchmark's own.

``python -m benchmarks.service.first_bars DATA`` needs the folders ``fashion_mnist`` (IDX) and ``cifar10`` (Parquet,
``train`` in the file's name) in DATA. For each seed, a TED job and a random job prune Fashion-MNIST to 70 %, and a
fresh ``mlp`` is trained on all rows and on the rows of each manifest. Then one ``cnn`` job of three epochs prunes
CIFAR-10, to measure its memory.
"""

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

from benchmarks.harness import bars
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
class JobMeasurement:
    """One job that was run over HTTP."""

    seconds: float
    """From POST to the end of the download."""
    peak_megabytes: float
    """Of the training process's resident memory."""
    cost_of_one_full_run: float


@dataclass(frozen=True)
class FirstBarsReport:
    """All measurements; accuracies are shares of the test set, one for each seed."""

    machine: str
    accuracies: Mapping[str, Sequence[float]]
    fashion_jobs: Sequence[JobMeasurement]
    cifar_loading_seconds: float
    cifar_job: JobMeasurement


def run_job(client: Client, dataset: DatasetSpec, proxy: ProxySpec, path: Path, **plan: object) -> JobMeasurement:
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
    return JobMeasurement(time.perf_counter() - began, peak(), job.result["cost"]["of_one_full_run"])


@contextmanager
def peak_of_runner() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the most resident memory a runner was seen to use meanwhile, in MiB."""
    stop, sizes = Event(), [0.0]

    def look() -> None:
        while not stop.wait(0.2):
            sizes.extend(_resident(process) for process in psutil.Process().children(recursive=True))

    thread = Thread(target=look, daemon=True)
    thread.start()
    yield lambda: max(sizes)
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


def load_samples(spec: DatasetSpec, data: Path) -> Samples:
    """Load the samples on all cores."""
    return load(spec, roots=[data], limits=Limits(threads=torch.get_num_threads()))


def measure_fashion(client: Client, data: Path, folder: Path) -> tuple[dict[str, list[float]], list[JobMeasurement]]:
    """Return the accuracies of fresh models for each choice of rows, and the jobs that chose them."""
    train, test = (load_samples(fashion(data, part), data) for part in ("train", "t10k"))
    accuracies: dict[str, list[float]] = {"full": [], "ted": [], "random": []}
    jobs = []
    for seed in SEEDS:
        rows = {"full": np.arange(len(train))}
        for method in ("ted", "random"):
            path = folder / f"{method}-{seed}.parquet"
            job = run_job(client, fashion(data, "train"), MLP, path, method=method, seed=seed)
            jobs += [job] if method == "ted" else []
            rows[method] = read_manifest(path).row_indices.astype(np.int64)
        for name, chosen in rows.items():
            accuracies[name].append(fit(train, chosen, proxy=resolve_proxy(MLP), seed=seed).accuracy(test))
    return accuracies, jobs


def measure(data: Path) -> FirstBarsReport:
    """Measure everything."""
    began = time.perf_counter()
    load_samples(cifar(data), data)
    loading = time.perf_counter() - began
    with TemporaryDirectory() as folder, temporary_service(Path(folder) / "home", roots=[data]) as client:
        accuracies, jobs = measure_fashion(client, data, Path(folder))
        cifar_job = run_job(client, cifar(data), CNN, Path(folder) / "cifar.parquet")
    machine = f"{platform.machine()}, {psutil.cpu_count()} cores, torch {torch.__version__}"
    return FirstBarsReport(machine, accuracies, jobs, loading, cifar_job)


def check_bars(report: FirstBarsReport) -> dict[str, bool]:
    """Say whether each bar holds."""
    full, ted, random = (mean(report.accuracies[name]) for name in ("full", "ted", "random"))
    return {
        "Fashion-MNIST job under 4 minutes": max(job.seconds for job in report.fashion_jobs) < 240,  # noqa: PLR2004
        "within 0.5 points of full data": full - ted < 0.005,  # noqa: PLR2004
        "above random": ted > random,
        "CIFAR-10 loaded in under 30 s": report.cifar_loading_seconds < 30,  # noqa: PLR2004
        "CIFAR-10 job under 2 GiB": 0 < report.cifar_job.peak_megabytes < 2048,  # noqa: PLR2004
    }


def table(accuracies: Mapping[str, Sequence[float]]) -> Table:
    """Table the test accuracies."""
    lines = Table("trained on", *(f"seed {seed}" for seed in SEEDS), "mean", "sd", title="Fashion-MNIST, 70 % kept")
    for name, values in accuracies.items():
        numbers: list[Any] = [*values, mean(values), stdev(values)]
        lines.add_row(name, *(f"{value:.2%}" for value in numbers))
    return lines


def main() -> None:
    """Measure and print."""
    parser = bars.options(__doc__)
    parser.add_argument("data", type=Path)
    arguments, console = parser.parse_args(), Console()
    report = measure(arguments.data.resolve())
    console.print(report.machine, table(report.accuracies), report.fashion_jobs, report.cifar_job)
    console.print(f"CIFAR-10 loaded in {report.cifar_loading_seconds:.1f} s")
    for bar, holds in check_bars(report).items():
        console.print(bars.mark(holds), bar)
    bars.write_json(asdict(report), arguments.json)


if __name__ == "__main__":
    main()
