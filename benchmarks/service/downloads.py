"""Measure how fast a large manifest is downloaded, compared with plain Starlette serving the same file.

``python -m benchmarks.service.downloads`` starts both as real processes, each behind uvicorn, and measures them in
turns.
"""

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
from rich.table import Table

from benchmarks.harness import bars, machine
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
class DownloadMeasurement:
    """One download."""

    seconds: float
    growth: int
    """Bytes of memory that the server took at most beyond what it had before."""


def download(port: int, path: str) -> DownloadMeasurement:
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
    return DownloadMeasurement(seconds, most - before)


def _server(port: int) -> psutil.Process:
    """Return our child that listens there; this process has the socket too, but accepts no connections."""
    children = psutil.Process().children()
    return next(child for child in children if any(at.laddr.port == port for at in child.net_connections("tcp")))


def store_finished_job(settings: Settings, file: Path) -> str:
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
        path = store_finished_job(Settings(home=Path(home), database_url=""), file)
        settings = {"TED_HOME": home, "TED_DATABASE_URL": "", "TED_LISTEN_FD": "{fd}", "TED_AUTH": "open"}
        plain_command = [sys.executable, "-c", PLAIN_APP, "{fd}", str(file)]
        with serving(plain_command) as plain, serving(module_command("service"), **settings) as service:
            yield {"plain Starlette": (plain, "/file"), "manifest": (service, path)}


def in_turns(turns: int) -> dict[str, list[DownloadMeasurement]]:
    """Measure both in turns, several times, after a warm-up that is not counted."""
    with both_servers() as servers:
        for port, path in servers.values():
            download(port, path)
        runs = [{name: download(*at) for name, at in servers.items()} for _ in range(turns)]
    return {name: [run[name] for run in runs] for name in runs[0]}


def check_bars(runs: Mapping[str, Sequence[DownloadMeasurement]]) -> dict[str, bool]:
    """Say of each bar whether it holds."""
    plain, ours = runs["plain Starlette"], runs["manifest"]
    slower = statistics.median(our.seconds / their.seconds for our, their in zip(ours, plain, strict=True))
    growth = max(download.growth for download in ours)
    return {
        f"{slower:.2f} times the seconds of plain Starlette, at most {MOST_SLOWER}": slower <= MOST_SLOWER,
        f"memory grew by {growth / (1 << 20):.1f} MiB, at most {MOST_GROWTH >> 20}": growth <= MOST_GROWTH,
    }


def table(runs: Mapping[str, Sequence[DownloadMeasurement]]) -> Table:
    """Table the median download from each server."""
    lines = Table("server", "median s", "MB/s", "memory MiB", title=f"Downloading {MEGABYTES} MiB")
    for name, downloads in runs.items():
        seconds = statistics.median(each.seconds for each in downloads)
        growth = max(each.growth for each in downloads) / (1 << 20)
        lines.add_row(name, f"{seconds:.3f}", f"{(MEGABYTES << 20) / seconds / 1e6:.0f}", f"{growth:.1f}")
    return lines


def main() -> None:
    """Measure, print, and exit with 1 if a bar is missed."""
    parser = bars.options(__doc__)
    parser.add_argument("--turns", type=int, default=7, help="downloads from each")
    arguments = parser.parse_args()
    runs = in_turns(arguments.turns)
    checked = check_bars(runs)
    facts = {name: [vars(each) for each in downloads] for name, downloads in runs.items()}
    numbers = {"runs": facts, "bars": checked, "machine": machine.versions()}
    sys.exit(not bars.report(table(runs), checked, numbers, arguments.json))


if __name__ == "__main__":
    main()
