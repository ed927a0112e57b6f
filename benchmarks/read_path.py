"""How fast a job is read over HTTP, beside an empty FastAPI endpoint on the same machine in the same run.

``python -m benchmarks.read_path`` starts both as real processes, each behind uvicorn, and measures them in turns.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import create_server
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from ted_core.datasets import DatasetSummary
from ted_jobs.database import connect
from ted_jobs.migrations import upgrade
from ted_jobs.settings import Settings
from ted_jobs.spec import JobSpec
from ted_jobs.store import JobStore

HOST = "127.0.0.1"
MOST_MILLISECONDS, LEAST_SHARE = 5.0, 1 / 3
"""The bars: a job's median latency, and its requests per second relative to the empty endpoint's."""

EMPTY_APP = """
import socket, sys, uvicorn
from fastapi import FastAPI

app = FastAPI()

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
class Measured:
    """One endpoint under a fixed number of clients, each waiting for its answer before it asks again."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def measure(port: int, path: str, *, clients: int, seconds: float) -> Measured:
    """What so many clients see in so many seconds."""
    deadline, began = time.perf_counter() + seconds, time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        runs = list(pool.map(lambda _: _latencies(port, path, deadline=deadline), range(clients)))
    elapsed = time.perf_counter() - began
    latencies = sorted(latency * 1000 for run in runs for latency in run)
    return Measured(
        requests_per_second=round(len(latencies) / elapsed, 1),
        p50_milliseconds=round(statistics.median(latencies), 3),
        p99_milliseconds=round(latencies[int(0.99 * len(latencies))], 3),
    )


def _latencies(port: int, path: str, *, deadline: float) -> list[float]:
    """Seconds per request, over one connection that is kept."""
    connection, taken = HTTPConnection(HOST, port), []
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
def serving(arguments: list[str], **environment: str) -> Iterator[int]:
    """The port of a server process that inherits a listening socket; ``{fd}`` stands for its descriptor."""
    with create_server((HOST, 0), backlog=128) as listener:
        fd = listener.fileno()
        command = [sys.executable, *(argument.format(fd=fd) for argument in arguments)]
        variables = os.environ | {name: value.format(fd=fd) for name, value in environment.items()}
        process = subprocess.Popen(command, pass_fds=(fd,), env=variables, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            yield listener.getsockname()[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def stored_job(settings: Settings) -> str:
    """The id of the one job in a fresh database."""
    engine = connect(settings.database)
    upgrade(engine)
    summary = DatasetSummary(rows=1797, columns=("image", "label"), guard="none")
    job = JobStore(engine).submit(SPEC, summary, tenant="default").job
    engine.dispose()
    return job.id
