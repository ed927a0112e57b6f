"""Measure what each step of the service, of workers and of the sweeper takes in a database with a long history.

``python -m benchmarks.service.database`` fills an SQLite file and, with ``--postgres URL``, the empty database there
with ended and queued jobs, and runs every step in turns. The quickest turn counts: whatever else the machine does only
adds to it.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table
from sqlalchemy import Engine

from benchmarks.harness import bars
from benchmarks.harness.machine import hardware
from benchmarks.service.history import SUMMARY, TENANT, add_history
from benchmarks.service.read_path import SPEC
from ted_jobs.db import counters
from ted_jobs.db.engine import make_engine, read_transaction
from ted_jobs.db.migrations import upgrade
from ted_jobs.jobs import maintenance, retention
from ted_jobs.jobs.fair_order import next_job
from ted_jobs.jobs.filter import JobCriteria
from ted_jobs.jobs.quotas import within_running_quota
from ted_jobs.jobs.similar_jobs import similar_jobs
from ted_jobs.jobs.status import JobStatus
from ted_jobs.jobs.store import JobStore
from ted_jobs.metrics_snapshot import metrics_snapshot
from ted_jobs.queue import outbox
from ted_jobs.webhooks import deliveries

MOST_MILLISECONDS = 20.0
"""The bar for every step, on a machine that does nothing else."""
LONG_AGO_DAYS = 10_000.0
RARE = JobCriteria(statuses=(JobStatus.CANCELLING,))
UNKNOWN_LABEL = JobCriteria(metadata={"team": "nobody's"})
RARE_WITH_COMMON_LABEL = JobCriteria(statuses=(JobStatus.CANCELLING,), metadata={"team": "vision"})

Step = Callable[[Engine], object]


def list_jobs(engine: Engine, criteria: JobCriteria) -> None:
    """Read one page of a list, as the API does."""
    store = JobStore(engine)
    store.jobs(tenant=TENANT, limit=21, criteria=store.narrowed(criteria, tenant=TENANT, after=None))


def find_next_job(engine: Engine) -> None:
    """Find the job whose turn it is, as a worker does before it claims it."""
    with read_transaction(engine) as connection:
        connection.scalar(next_job(within_running_quota(0)))


STEPS: Mapping[str, Step] = {
    "submit a job": lambda engine: JobStore(engine).submit(SPEC, SUMMARY, tenant=TENANT),
    "list the newest 20": lambda engine: list_jobs(engine, JobCriteria()),
    "list a status that no job has": lambda engine: list_jobs(engine, RARE),
    "list a label that no job has": lambda engine: list_jobs(engine, UNKNOWN_LABEL),
    "list a label that all jobs have, and a status that none has": lambda engine: list_jobs(
        engine, RARE_WITH_COMMON_LABEL
    ),
    "estimate from similar jobs": lambda engine: similar_jobs(engine, SPEC, dataset=SUMMARY, tenant=TENANT),
    "metrics": metrics_snapshot,
    "find the next job": find_next_job,
    "sweep: expired leases": maintenance.reap_expired_leases,
    "sweep: deadlines": maintenance.expire_overdue,
    "sweep: overdue wake-ups": maintenance.renotify_overdue,
    "sweep: lost wake-ups": lambda engine: maintenance.renotify_idle(engine, queued_wake_ups=lambda: 1),
    "sweep: outbox": lambda engine: outbox.publish_batch(engine, lambda _: None),
    "sweep: due deliveries": deliveries.claim_next,
    "minute: old jobs": lambda engine: retention.delete_old_jobs(engine, days=LONG_AGO_DAYS),
    "minute: leftover checkpoints": retention.delete_leftover_checkpoints,
    "minute: old deliveries": retention.delete_old_deliveries,
    "minute: counters": counters.compact_counters,
    "hour: idempotency keys": retention.delete_old_idempotency_keys,
}


@contextmanager
def filled(url: str, *, ended: int, queued: int) -> Iterator[Engine]:
    """Yield the database at this URL with so many jobs."""
    engine = make_engine(url)
    upgrade(engine)
    add_history(engine, ended=ended, queued=queued)
    yield engine
    engine.dispose()


def in_turns(engine: Engine, turns: int) -> dict[str, list[float]]:
    """Return the milliseconds of every step, each in every turn, after one that is not counted."""
    rounds = [{name: _milliseconds(engine, step) for name, step in STEPS.items()} for _ in range(turns + 1)]
    return {name: [turn[name] for turn in rounds[1:]] for name in STEPS}


def _milliseconds(engine: Engine, step: Step) -> float:
    began = time.perf_counter()
    step(engine)
    return (time.perf_counter() - began) * 1000


def measure(urls: Mapping[str, str], *, ended: int, queued: int, turns: int) -> dict[str, dict[str, float]]:
    """Return the milliseconds of each step's quickest turn: database → step → number."""
    measured = {}
    for name, url in urls.items():
        with filled(url, ended=ended, queued=queued) as engine:
            measured[name] = {step: min(runs) for step, runs in in_turns(engine, turns).items()}
    return measured


def check_bars(measured: Mapping[str, Mapping[str, float]]) -> dict[str, bool]:
    """Say of each database whether its slowest step is quick enough."""
    slowest = {name: max(steps.items(), key=lambda step: step[1]) for name, steps in measured.items()}
    return {
        f"{name}: at most {took:.1f} ms ({step}), less than {MOST_MILLISECONDS} ms": took < MOST_MILLISECONDS
        for name, (step, took) in slowest.items()
    }


def table(measured: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """Table the milliseconds, a line for each step."""
    lines = Table("step", *(f"{name}, ms" for name in measured), title=title)
    for step in STEPS:
        lines.add_row(step, *(f"{steps[step]:.1f}" for steps in measured.values()))
    return lines


def main() -> None:
    """Measure, print, and exit with 1 if a bar is missed."""
    parser = bars.options(__doc__)
    parser.add_argument("--postgres", metavar="URL", help="an empty database")
    parser.add_argument("--ended", type=int, default=100_000, help="jobs that have ended")
    parser.add_argument("--queued", type=int, default=1000, help="jobs that are queued")
    parser.add_argument("--turns", type=int, default=11, help="measurements of each step")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        urls = {"SQLite": f"sqlite:///{Path(folder, 'ted.db')}"}
        urls |= {"PostgreSQL": arguments.postgres} if arguments.postgres else {}
        measured = measure(urls, ended=arguments.ended, queued=arguments.queued, turns=arguments.turns)
    title = f"{arguments.ended:,} ended jobs, {arguments.queued:,} queued ({hardware()})"
    sys.exit(not bars.report(table(measured, title), check_bars(measured), measured, arguments.json))


if __name__ == "__main__":
    main()
