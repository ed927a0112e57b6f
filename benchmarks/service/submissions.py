"""Measure how long a submission takes while many clients submit at once: ``POST /v1/jobs`` over HTTP, durably on
SQLite.

``python -m benchmarks.service.submissions`` starts the real service behind uvicorn. Every client waits for its response
before it sends the next job, at once or after ``--pause``; every response comes after the commit, which has waited for
the disk.
"""

import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from benchmarks.harness import bars
from benchmarks.service.read_path import HOST, serving
from ted_core.python_process import module_command
from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.settings import Settings

CLIENTS = 20
MOST_MILLISECONDS = 50.0
"""The bar: the p99 latency that each of so many clients sees, on a machine with nothing else to do."""
ACCEPTED = 202


@dataclass(frozen=True)
class SubmissionTurn:
    """One turn under a fixed number of clients."""

    clients: int
    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    load: float
    """What else the machine did before the turn: processes that wanted to run, on average over a minute."""


@dataclass(frozen=True)
class SubmissionReport:
    """All turns."""

    turns: Sequence[SubmissionTurn]

    def typical(self, clients: int) -> SubmissionTurn:
        """Return the median turn with so many clients."""
        turns = sorted((turn for turn in self.turns if turn.clients == clients), key=lambda turn: turn.p99_milliseconds)
        return turns[len(turns) // 2]

    def bars(self) -> dict[str, bool]:
        """Say whether the bar holds."""
        p99 = self.typical(CLIENTS).p99_milliseconds
        return {f"p99 with {CLIENTS} clients: {p99} ms, less than {MOST_MILLISECONDS} ms": p99 < MOST_MILLISECONDS}

    def as_json(self) -> dict[str, object]:
        """Return every turn, with the machine it was measured on."""
        machine = {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()}
        return {"turns": [asdict(turn) for turn in self.turns], "bars": self.bars(), "machine": machine}


@contextmanager
def service() -> Iterator[tuple[int, bytes]]:
    """Yield the port of a service with an empty database, and a body that it accepts."""
    with TemporaryDirectory() as home:
        dataset = Path(home) / "data" / "rows.parquet"
        dataset.parent.mkdir()
        pq.write_table(_rows(1000), dataset)
        engine = make_engine(Settings(home=Path(home), database_url="").database)
        upgrade(engine)
        engine.dispose()
        settings = {"TED_HOME": home, "TED_DATABASE_URL": "", "TED_LISTEN_FD": "{fd}", "TED_AUTH": "open"}
        with serving(module_command("service"), **settings, TED_DATASET_ROOTS=str(dataset.parent)) as port:
            yield port, _body(dataset)


def _rows(count: int) -> pa.Table:
    """Return tabular rows of four classes."""
    columns = {f"x{column}": [float(row * column % 7) for row in range(count)] for column in range(1, 5)}
    return pa.table(columns | {"label": [row % 4 for row in range(count)]})


def _body(dataset: Path) -> bytes:
    job = {
        "dataset": {"uri": str(dataset), "task": "tabular-classification"},
        "proxy": {"name": "mlp"},
        "plan": {"keep_ratio": 0.6},
        "metadata": {"team": "vision"},
    }
    return json.dumps(job).encode()


def measure(port: int, body: bytes, *, clients: int, seconds: float, pause: float) -> SubmissionTurn:
    """Measure what so many clients see in so many seconds, each resting for ``pause`` seconds between its jobs."""
    load, began = os.getloadavg()[0], time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        deadline = began + seconds
        runs = list(pool.map(lambda _: _latencies(port, body, deadline=deadline, pause=pause), range(clients)))
    elapsed = time.perf_counter() - began
    latencies = sorted(latency * 1000 for run in runs for latency in run)
    return SubmissionTurn(
        clients=clients,
        requests_per_second=round(len(latencies) / elapsed, 1),
        p50_milliseconds=round(statistics.median(latencies), 2),
        p99_milliseconds=round(latencies[int(0.99 * len(latencies))], 2),
        load=round(load, 2),
    )


def _latencies(port: int, body: bytes, *, deadline: float, pause: float) -> list[float]:
    """Return the seconds per submission, over one connection that is kept open."""
    connection, taken = HTTPConnection(HOST, port, timeout=60), []
    time.sleep(random.uniform(0, pause))  # noqa: S311 - so that they do not all come at once
    while (began := time.perf_counter()) < deadline:
        connection.request("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != ACCEPTED:
            raise RuntimeError(f"The service answered {response.status}: {answer.decode()}")
        taken.append(time.perf_counter() - began)
        time.sleep(pause)
    connection.close()
    return taken


def measure_turns(*, seconds: float, turns: int, pause: float) -> SubmissionReport:
    """Measure one client and many, in turns, after a warm-up that is not counted."""
    with service() as (port, body):
        measure(port, body, clients=CLIENTS, seconds=seconds, pause=0)
        loads = [clients for _ in range(turns) for clients in (1, CLIENTS)]
        return SubmissionReport(
            [measure(port, body, clients=clients, seconds=seconds, pause=pause) for clients in loads]
        )


def table(report: SubmissionReport) -> Table:
    """Table the median turn under each load."""
    lines = Table("clients", "requests/s", "p50 ms", "p99 ms", "load", title="Submitting a job")
    for clients in (1, CLIENTS):
        lines.add_row(*map(str, asdict(report.typical(clients)).values()))
    return lines


def main() -> None:
    """Measure, print, and exit with 1 if the bar is missed."""
    parser = bars.options(__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one turn")
    parser.add_argument("--turns", type=int, default=5, help="turns under each load")
    parser.add_argument("--pause", type=float, default=0, help="seconds that each client rests between its jobs")
    arguments = parser.parse_args()
    report = measure_turns(seconds=arguments.seconds, turns=arguments.turns, pause=arguments.pause)
    sys.exit(not bars.report(table(report), report.bars(), report.as_json(), arguments.json))


if __name__ == "__main__":
    main()
