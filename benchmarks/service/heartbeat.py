"""Measure what keeping a job's lease and reporting its progress cost, compared with the training they watch over.

``python -m benchmarks.service.heartbeat`` lets a supervisor run one job on scikit-learn's digits again and again, with
a heartbeat every second and with none but the last, on an SQLite file and, with ``--postgres URL``, in the empty
database there. Wall times on a shared machine differ by more than what is to be measured, so two things are measured
directly, with a bar on each: the seconds spent in heartbeats, and the processor time of everything the supervisor does;
training waits for neither. The job is a hard case: its rounds take a twentieth of a second, and each becomes an event.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sqlalchemy import Engine

from benchmarks.harness import bars
from benchmarks.harness.machine import hardware
from ted_core.datasets import inspect
from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.files.artifacts import artifact_store
from ted_jobs.jobs.leases import Claim, HeartbeatResponse, Leases
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings
from worker.supervisor import Supervisor

EVERY_SECOND, NEVER = 1.0, 1e6
BAR = 0.01
"""Of a job's wall time."""


@dataclass(frozen=True)
class SupervisedRun:
    """One job, from its claim to its end."""

    database: str
    heartbeat_seconds: float
    wall_seconds: float
    cpu_seconds: float
    """Of the supervisor; the runner is another process."""
    heartbeats: int
    seconds_in_heartbeats: float
    load: float
    """Of the machine, over the last minute."""


class TimedLeases(Leases):
    """Leases that note how long heartbeats take."""

    def __init__(self, engine: Engine, *, lease_seconds: float) -> None:
        super().__init__(engine, lease_seconds=lease_seconds)
        self.seconds: list[float] = []

    def heartbeat(self, claim: Claim, **changes: Any) -> HeartbeatResponse:
        """See ``Leases``."""
        began = time.perf_counter()
        try:
            return super().heartbeat(claim, **changes)
        finally:
            self.seconds.append(time.perf_counter() - began)


def digits(folder: Path) -> Path:
    """Write the 1,797 digits as a table of 64 numbers and a label."""
    data = load_digits()
    path = folder / "digits.parquet"
    columns = {f"pixel_{number}": column for number, column in enumerate(data.data.T)}
    pq.write_table(pa.table({**columns, "label": data.target}), path)
    return path


def spec_of(path: Path, *, epochs: int) -> JobSpec:
    """Return a job on them that trains for so many epochs."""
    dataset = {"uri": str(path), "task": "tabular-classification"}
    proxy = {"name": "mlp", "epochs": epochs, "learning_rate": 0.01}
    return JobSpec.model_validate({"dataset": dataset, "proxy": proxy, "plan": {"keep_ratio": 0.5}})


def run(engine: Engine, spec: JobSpec, settings: Settings) -> SupervisedRun:
    """Submit, claim and supervise the job in this process."""
    leases = TimedLeases(engine, lease_seconds=settings.lease_seconds)
    summary = inspect(spec.dataset, roots=settings.dataset_roots)
    claim = leases.claim(JobStore(engine).submit(spec, summary, tenant="default").job.id, worker="benchmark")
    assert claim, "nobody else claims it"  # noqa: S101
    began, worked = time.perf_counter(), time.process_time()
    job = Supervisor(claim, leases=leases, store=artifact_store(settings), settings=settings).run()
    wall, cpu = time.perf_counter() - began, time.process_time() - worked
    assert job, "its lease outlasts it"  # noqa: S101
    if job.error:
        raise RuntimeError(job.error["message"])
    facts = (len(leases.seconds), sum(leases.seconds), os.getloadavg()[0])
    return SupervisedRun(engine.dialect.name, settings.heartbeat_seconds, wall, cpu, *facts)


def runs(url: str, home: Path, *, epochs: int, repeats: int) -> Iterator[SupervisedRun]:
    """Run both kinds in turn on one database, so that other load on the machine affects both."""
    settings = Settings(
        home=home, database_url=url, dataset_roots=(home,), device="cpu", runner_threads=1, lease_seconds=NEVER
    )
    spec = spec_of(digits(home), epochs=epochs)
    with migrated_engine(url) as engine:
        for _ in range(repeats):
            for heartbeat in (EVERY_SECOND, NEVER):
                yield run(engine, spec, settings.model_copy(update={"heartbeat_seconds": heartbeat}))


@contextmanager
def migrated_engine(url: str) -> Iterator[Engine]:
    """Return the database with its tables created."""
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


def kinds(runs: Sequence[SupervisedRun]) -> Mapping[tuple[str, float], Sequence[SupervisedRun]]:
    """Group the runs by database and heartbeat."""
    names = dict.fromkeys((run.database, run.heartbeat_seconds) for run in runs)
    return {name: [run for run in runs if (run.database, run.heartbeat_seconds) == name] for name in names}


def share(runs: Sequence[SupervisedRun], name: str) -> float:
    """Return these seconds as a share of the wall time."""
    return sum(getattr(run, name) for run in runs) / sum(run.wall_seconds for run in runs)


def table(runs: Sequence[SupervisedRun]) -> Table:
    """Table the means over the runs of each kind."""
    head = ("database", "every", "wall s", "beats", "s in beats", "of wall", "CPU s", "of wall", "load")
    lines = Table(*head, title=f"{hardware()}: what a supervisor takes")
    for (database, heartbeat), alike in kinds(runs).items():
        often = "1 s" if heartbeat == EVERY_SECOND else "never"
        wall, beats, load = (
            mean(getattr(run, name) for run in alike) for name in ("wall_seconds", "heartbeats", "load")
        )
        spent = [
            words
            for name in ("seconds_in_heartbeats", "cpu_seconds")
            for words in (f"{mean(getattr(run, name) for run in alike):.3f}", f"{share(alike, name):.2%}")
        ]
        lines.add_row(database, often, f"{wall:.1f}", f"{beats:.0f}", *spent, f"{load:.1f}")
    return lines


def main() -> None:
    """Measure and print."""
    parser = bars.options(__doc__)
    parser.add_argument("--postgres", help="URL of an empty database")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=2)
    arguments, console = parser.parse_args(), Console()
    measured: list[SupervisedRun] = []
    with TemporaryDirectory() as folder:
        for url in filter(None, (f"sqlite:///{folder}/ted.db", arguments.postgres)):
            measured += runs(url, Path(folder), epochs=arguments.epochs, repeats=arguments.repeats)
    console.print(table(measured))
    for (database, heartbeat), alike in kinds(measured).items():
        if heartbeat == EVERY_SECOND:
            for name in ("seconds_in_heartbeats", "cpu_seconds"):
                console.print(bars.mark(share(alike, name) < BAR), f"{database}, {name}: under {BAR:.0%}")
    bars.write_json([asdict(run) for run in measured], arguments.json)


if __name__ == "__main__":
    main()
