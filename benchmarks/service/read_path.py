"""Measure how fast a job, and a list of 20, are read over HTTP, compared with empty FastAPI endpoints.

``python -m benchmarks.service.read_path`` starts the service and two empty apps as real processes, each behind uvicorn,
and measures them in turns, on the same machine in the same run. One app is bare FastAPI, the other has the service's
middleware: what lies between the two is the middleware, and what lies beyond is the endpoint.
"""

import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server
from tempfile import TemporaryDirectory

from rich.table import Table

from benchmarks.harness import bars
from ted_core.datasets import DatasetSummary
from ted_core.python_process import module_command
from ted_jobs.db.engine import make_engine
from ted_jobs.db.migrations import upgrade
from ted_jobs.jobs.spec import JobSpec
from ted_jobs.jobs.store import JobStore
from ted_jobs.settings import Settings

HOST = "127.0.0.1"
MANY_CLIENTS = 8
MOST_MILLISECONDS, LEAST_SHARE = 5.0, 1 / 2
"""The bars: a job's median latency, and its requests per second relative to those of the empty endpoint behind the same
middleware."""
LISTED = 20

BARE, BEHIND_MIDDLEWARE, JOB, LIST = "empty, bare", "empty, same middleware", "a job", f"a list of {LISTED}"

BARE_APP = """
import socket, sys, uvicorn
from fastapi import FastAPI

app = FastAPI()
"""
MIDDLEWARE = """
from service.http.body_limit import BodyLimit
from service.http.request_log import RequestLog
from ted_jobs.logs import configure_logging

configure_logging("INFO")
app.add_middleware(BodyLimit, limit=1_000_000)
app.add_middleware(RequestLog)
"""
ENDPOINT = """
@app.get("/empty")
def empty() -> dict[str, str]:
    return {}

config = uvicorn.Config(app, log_config=None, access_log=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""

SPEC = JobSpec.model_validate(
    {
        "dataset": {"uri": "/data/digits.parquet", "task": "image-classification"},
        "proxy": {"name": "cnn", "epochs": 12, "batch_size": 128, "learning_rate": 0.004, "weight_decay": 0.05},
        "plan": {"keep_ratio": 0.6, "rounds": 12},
        "metadata": {"team": "vision"},
    }
)


@dataclass(frozen=True)
class EndpointLatency:
    """One endpoint under a fixed number of clients, each waiting for its response before the next request."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


EndpointTurn = Mapping[str, EndpointLatency]
"""All endpoints, measured one right after the other."""


@dataclass(frozen=True)
class Endpoint:
    """Where to send requests."""

    port: int
    path: str


@dataclass(frozen=True)
class ReadPathReport:
    """What was measured: number of clients → turns → endpoint → numbers."""

    turns: Mapping[int, Sequence[EndpointTurn]]

    def typical(self, clients: int, endpoint: str) -> EndpointLatency:
        """Return the endpoint's median turn."""
        turns = [turn[endpoint] for turn in self.turns[clients]]
        return sorted(turns, key=lambda turn: turn.requests_per_second)[len(turns) // 2]

    def share(self, endpoint: str, *, of: str) -> float:
        """Return its requests per second relative to another endpoint's in the same turn, for the median turn."""
        return statistics.median(
            turn[endpoint].requests_per_second / turn[of].requests_per_second for turn in self.turns[MANY_CLIENTS]
        )

    def bars(self) -> dict[str, bool]:
        """Say of each bar whether it holds."""
        p50, share = self.typical(1, JOB).p50_milliseconds, self.share(JOB, of=BEHIND_MIDDLEWARE)
        return {
            f"p50 with one client: {p50} ms, less than {MOST_MILLISECONDS} ms": p50 < MOST_MILLISECONDS,
            f"requests/s with {MANY_CLIENTS} clients: {share:.2f} of the empty endpoint's behind the same middleware, "
            f"at least {LEAST_SHARE:.2f}": share >= LEAST_SHARE,
        }

    def shares(self) -> dict[str, float]:
        """Return the requests per second of the service's endpoints relative to those of each empty one."""
        empty = (BARE, BEHIND_MIDDLEWARE)
        return {f"{name} / {of}": round(self.share(name, of=of), 3) for name in (JOB, LIST) for of in empty}

    def as_json(self) -> dict[str, object]:
        """Return every turn, with the machine it was measured on."""
        turns = {
            str(clients): [{name: asdict(latency) for name, latency in turn.items()} for turn in turns]
            for clients, turns in self.turns.items()
        }
        machine = {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()}
        return {"turns": turns, "shares": self.shares(), "bars": self.bars(), "machine": machine}


def measure(port: int, path: str, *, clients: int, seconds: float) -> EndpointLatency:
    """Measure what so many clients see in so many seconds."""
    deadline, began = time.perf_counter() + seconds, time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        runs = list(pool.map(lambda _: _latencies(port, path, deadline=deadline), range(clients)))
    elapsed = time.perf_counter() - began
    latencies = sorted(latency * 1000 for run in runs for latency in run)
    return EndpointLatency(
        requests_per_second=round(len(latencies) / elapsed, 1),
        p50_milliseconds=round(statistics.median(latencies), 3),
        p99_milliseconds=round(latencies[int(0.99 * len(latencies))], 3),
    )


def _latencies(port: int, path: str, *, deadline: float) -> list[float]:
    """Return the seconds per request, over one connection that is kept open."""
    connection, taken = HTTPConnection(HOST, port, timeout=10), []
    while (began := time.perf_counter()) < deadline:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        if response.status != 200:  # noqa: PLR2004
            raise RuntimeError(f"{path} answered {response.status}")
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


@contextmanager
def serving(command: Sequence[str], **environment: str) -> Iterator[int]:
    """Yield the port of a server process that inherits a listening socket; ``{fd}`` stands for its descriptor."""
    with create_server((HOST, 0), backlog=128) as listener:
        fd = listener.fileno()
        words = [word.replace("{fd}", str(fd)) for word in command]
        variables = os.environ | {name: value.replace("{fd}", str(fd)) for name, value in environment.items()}
        process = subprocess.Popen(words, pass_fds=(fd,), env=variables, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            yield listener.getsockname()[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def stored_job(settings: Settings, *, jobs: int = 1) -> str:
    """Store so many jobs in a fresh database and return the id of the last."""
    engine = make_engine(settings.database)
    upgrade(engine)
    summary = DatasetSummary(rows=1797, columns=("image", "label"), change_token="none")  # noqa: S106 - of a file, no secret
    ids = [JobStore(engine).submit(SPEC, summary, tenant="default").job.id for _ in range(jobs)]
    engine.dispose()
    return ids[-1]


@contextmanager
def all_servers() -> Iterator[dict[str, Endpoint]]:
    """Yield the empty endpoints, and a job and the list of jobs in the real service."""
    with TemporaryDirectory() as home, ExitStack() as servers:
        job_id = stored_job(Settings(home=Path(home), database_url=""), jobs=LISTED)
        settings = {"TED_HOME": home, "TED_DATABASE_URL": "", "TED_LISTEN_FD": "{fd}", "TED_AUTH": "open"}
        apps = {BARE: BARE_APP + ENDPOINT, BEHIND_MIDDLEWARE: BARE_APP + MIDDLEWARE + ENDPOINT}
        empty = {name: [sys.executable, "-c", app, "{fd}"] for name, app in apps.items()}
        ports = {name: servers.enter_context(serving(command)) for name, command in empty.items()}
        service = servers.enter_context(serving(module_command("service"), **settings))
        endpoints = {name: Endpoint(port, "/empty") for name, port in ports.items()}
        yield endpoints | {JOB: Endpoint(service, f"/v1/jobs/{job_id}"), LIST: Endpoint(service, "/v1/jobs")}


def in_turns(endpoints: Mapping[str, Endpoint], *, clients: int, seconds: float, turns: int) -> list[EndpointTurn]:
    """Measure the endpoints in turns, several times, so that other load on the machine affects all alike."""
    return [
        {name: measure(at.port, at.path, clients=clients, seconds=seconds) for name, at in endpoints.items()}
        for _ in range(turns)
    ]


def compare(*, seconds: float, turns: int) -> ReadPathReport:
    """Measure all endpoints under one client and under many, after a warm-up that is not counted."""
    with all_servers() as endpoints:
        in_turns(endpoints, clients=MANY_CLIENTS, seconds=seconds, turns=1)
        loads = (1, MANY_CLIENTS)
        return ReadPathReport({load: in_turns(endpoints, clients=load, seconds=seconds, turns=turns) for load in loads})


def table(report: ReadPathReport) -> Table:
    """Table the median turns, a line for each endpoint and number of clients."""
    lines = Table("endpoint", "clients", "requests/s", "p50 ms", "p99 ms", title="Reading jobs")
    for clients, turns in report.turns.items():
        for name in turns[0]:
            turn = report.typical(clients, name)
            numbers = (turn.requests_per_second, turn.p50_milliseconds, turn.p99_milliseconds)
            lines.add_row(name, str(clients), *map(str, numbers))
    return lines


def main() -> None:
    """Measure, print, and exit with 1 if a bar is missed."""
    parser = bars.options(__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="length of one measurement")
    parser.add_argument("--turns", type=int, default=5, help="measurements of each endpoint under each load")
    arguments = parser.parse_args()
    report = compare(seconds=arguments.seconds, turns=arguments.turns)
    sys.exit(not bars.report(table(report), report.bars(), report.as_json(), arguments.json))


if __name__ == "__main__":
    main()
