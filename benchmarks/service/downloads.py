"""Measure how fast a large manifest is downloaded, compared with plain Starlette serving the same file.

``python -m benchmarks.service.downloads`` starts both as real processes, each behind uvicorn, and measures them in
turns.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.harness import machine
from benchmarks.service.read_path import HOST, serving, stored_job
from ted_core.python_process import module_command
from ted_jobs.db.engine import make_engine
from ted_jobs.files.artifacts import ArtifactStore
from ted_jobs.jobs.leases import Leases
from ted_jobs.settings import Settings

MEGABYTES = 100
MOST_SLOWER, MOST_GROWTH = 1.2, 16 << 20
"""The bars: seconds relative to plain Starlette's, and bytes that the service grows by."""
CHUNK = 1 << 20

PLAIN_APP = """
import socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/file", lambda request: FileResponse(sys.argv[2]))])
config = uvicorn.Config(app, log_config=None, access_log=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@dataclass(frozen=True)
class Download:
    """One download."""

    seconds: float
    growth: int
    """Bytes of memory that the server took at most beyond what it had before."""


def download(port: int, path: str) -> Download:
    """Fetch everything and discard it."""
    server = _server(port)
    before = most = server.memory_info().rss
    connection, began = HTTPConnection(HOST, port, timeout=60), time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    while response.read(CHUNK):
        most = max(most, server.memory_info().rss)
    seconds = time.perf_counter() - began
    connection.close()
    return Download(seconds, most - before)


def _server(port: int) -> psutil.Process:
    """Return our child that listens there; this process has the socket too, but accepts no connections."""
    children = psutil.Process().children()
    return next(one for one in children if any(at.laddr.port == port for at in one.net_connections("tcp")))


def finished_job(settings: Settings, file: Path) -> str:
    """Store one job in a fresh database with this file as its manifest, and return the manifest's path."""
    job_id, engine = stored_job(settings), make_engine(settings.database)
    leases = Leases(engine)
    claim = leases.claim(job_id, worker="benchmark")
    assert claim, "nobody else runs it"  # noqa: S101
    published = ArtifactStore(settings.home / "artifacts").put_attempt_file(
        file, job_id=job_id, token=claim.token, kind="manifest"
    )
    leases.begin_finalizing(claim)
    leases.finish(claim, published=[published], result={})
    engine.dispose()
    return f"/v1/jobs/{job_id}/manifest"


@contextmanager
def both_servers() -> Iterator[Mapping[str, tuple[int, str]]]:
    """Yield port and path of plain Starlette and of the real service."""
    with TemporaryDirectory() as home:
        file = Path(home, "manifest.parquet")
        file.write_bytes(Random(0).randbytes(MEGABYTES << 20))  # noqa: S311 - any bytes
        path = finished_job(Settings(home=Path(home), database_url=""), file)
        settings = {"TED_HOME": home, "TED_DATABASE_URL": "", "TED_LISTEN_FD": "{fd}", "TED_AUTH": "open"}
        plain_command = [sys.executable, "-c", PLAIN_APP, "{fd}", str(file)]
        with serving(plain_command) as plain, serving(module_command("service"), **settings) as service:
            yield {"plain Starlette": (plain, "/file"), "manifest": (service, path)}


def in_turns(turns: int) -> dict[str, list[Download]]:
    """Measure both in turns, several times, after a warm-up that is not counted."""
    with both_servers() as servers:
        for port, path in servers.values():
            download(port, path)
        runs = [{name: download(*at) for name, at in servers.items()} for _ in range(turns)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def bars(found: Mapping[str, Sequence[Download]]) -> dict[str, bool]:
    """Say of each bar whether it holds."""
    plain, ours = found["plain Starlette"], found["manifest"]
    slower = statistics.median(one.seconds / other.seconds for one, other in zip(ours, plain, strict=True))
    growth = max(one.growth for one in ours)
    return {
        f"{slower:.2f} times the seconds of plain Starlette, at most {MOST_SLOWER}": slower <= MOST_SLOWER,
        f"memory grew by {growth / (1 << 20):.1f} MiB, at most {MOST_GROWTH >> 20}": growth <= MOST_GROWTH,
    }


def main() -> None:
    """Measure, print, and exit with 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="downloads from each")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    asked = parser.parse_args()
    found, console = in_turns(asked.turns), Console()
    shown = Table("server", "median s", "MB/s", "memory MiB", title=f"Downloading {MEGABYTES} MiB")
    for name, runs in found.items():
        seconds = statistics.median(run.seconds for run in runs)
        growth = max(run.growth for run in runs) / (1 << 20)
        shown.add_row(name, f"{seconds:.3f}", f"{(MEGABYTES << 20) / seconds / 1e6:.0f}", f"{growth:.1f}")
    console.print(shown)
    held = bars(found)
    for bar, holds in held.items():
        console.print("[green]holds[/]" if holds else "[red]missed[/]", bar, soft_wrap=True)
    if asked.json:
        facts = {name: [vars(run) for run in runs] for name, runs in found.items()}
        asked.json.write_text(json.dumps({"runs": facts, "bars": held, "machine": machine.versions()}, indent=2) + "\n")
    sys.exit(not all(held.values()))


if __name__ == "__main__":
    main()
