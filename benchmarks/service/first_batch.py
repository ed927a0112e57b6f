"""Measure how soon a job runs, and how soon it trains.

``python -m benchmarks.service.first_batch`` lets a service of its own (``ted up``) run jobs one after the other and
takes from its answers how long each was queued. Then it claims as many jobs in this process and starts their runners,
from nothing and forked from one on standby in turn, until the first batch is reported.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.harness.machine import hardware
from benchmarks.service.heartbeat import digits, migrated_engine, spec_of
from ted_cli.local.temporary import temporary_service
from ted_core.datasets import inspect
from ted_jobs.files.artifacts import artifact_store
from ted_jobs.jobs.leases import Leases
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.child.process import RunnerProcess, runner_process
from worker.child.standby import Standby
from worker.child.starting import StartRunner, start_cold
from worker.messages import ProgressMessage
from worker.supervisor import Supervisor

BARS = {"POST to running": 0.15, "claim to first batch, forked": 0.5}
"""Seconds, of the median on an idle machine."""
STANDBY_SECONDS, PAUSE_SECONDS = 120.0, 1.0


@dataclass(frozen=True)
class Start:
    """From a claim to the first batch."""

    seconds: float
    cpu_seconds: float
    """Of the runner, its own start included."""
    private_bytes: int
    """What the runner does not share with any other process."""


def queued_seconds(home: Path, *, jobs: int) -> Iterator[float]:
    """Yield how long each job was queued, each submitted when the last has ended."""
    path = digits(home)
    spec = spec_of(path, epochs=2).model_dump(mode="json", include={"dataset", "proxy", "plan"}, exclude_defaults=True)
    with temporary_service(home / "service", roots=[home]) as client:
        client.wait(client.submit(spec).id)  # the first one finds the worker importing
        for _ in range(jobs):
            time.sleep(PAUSE_SECONDS)
            facts = client.wait(client.submit(spec).id).require_success().facts
            started, queued = (datetime.fromisoformat(facts[name]) for name in ("started_at", "queued_at"))
            yield (started - queued).total_seconds()


def starts(home: Path, *, jobs: int) -> Iterator[tuple[str, Start]]:
    """Yield how long each start took, of both kinds in turn."""
    standby = Standby()
    standby.warm_up()
    standby.is_ready(within=STANDBY_SECONDS)
    kinds: Mapping[str, StartRunner] = {"forked": standby.start, "from nothing": start_cold}
    for _ in range(jobs):
        for name, start in kinds.items():
            yield name, _first_batch(home, start)
    standby.close()


def _first_batch(home: Path, start: StartRunner) -> Start:
    settings = Settings(home=home, dataset_roots=(home,), device="cpu")
    spec = spec_of(digits(home), epochs=2)
    with migrated_engine(settings.database) as engine:
        leases = Leases(engine, lease_seconds=settings.lease_seconds)
        summary = inspect(spec.dataset, roots=settings.dataset_roots)
        job = JobStore(engine).submit(spec, summary, tenant="default").job
        began = time.perf_counter()
        claim = leases.claim(job.id, worker="benchmark")
        assert claim, "nobody else claims it"  # noqa: S101
        supervisor = Supervisor(claim, leases=leases, store=artifact_store(settings), settings=settings)
        supervisor.folder.mkdir(parents=True)
        log = supervisor.folder / "runner.log"
        with runner_process(supervisor._assignment(), log=log, start=start, grace_seconds=1) as child:
            _await_batch(child)
            return _measured(child, time.perf_counter() - began)


def _await_batch(child: RunnerProcess) -> None:
    while not child.output_ended:
        for message in child.read_messages(seconds=1):
            if isinstance(message, ProgressMessage) and message.fraction > 0:
                return
    raise RuntimeError(child.log_tail())


def _measured(child: RunnerProcess, seconds: float) -> Start:
    process = psutil.Process(child.process.pid)
    times = process.cpu_times()
    return Start(seconds, times.user + times.system, process.memory_full_info().uss)


def table(queued: Sequence[float], started: Sequence[tuple[str, Start]]) -> Table:
    """Return medians, extremes and bars."""
    rows = {"POST to running": list(queued)}
    for kind in ("forked", "from nothing"):
        rows[f"claim to first batch, {kind}"] = [start.seconds for name, start in started if name == kind]
        rows[f"  processor seconds, {kind}"] = [start.cpu_seconds for name, start in started if name == kind]
        rows[f"  private MiB, {kind}"] = [start.private_bytes / 2**20 for name, start in started if name == kind]
    drawn = Table("", "median", "least", "most", "bar")
    for name, values in rows.items():
        bar = BARS.get(name)
        drawn.add_row(name, *(f"{value:.3f}" for value in (median(values), min(values), max(values))), str(bar or ""))
    return drawn


def main(jobs: int = 20) -> None:
    """Measure and print."""
    console = Console()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        queued = list(queued_seconds(home, jobs=jobs))
        started = list(starts(home, jobs=jobs))
    console.print(table(queued, started), hardware())


if __name__ == "__main__":
    typer.run(main)
