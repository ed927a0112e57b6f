"""A service that runs as long as a block of code, for the demo and for benchmarks."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ted_client.client import Client
from ted_client.connection import read_connection
from ted_client.errors import ClientError, ServiceUnreachable
from ted_core.python_process import module_command

START_SECONDS, STOP_SECONDS, POLL_SECONDS = 90, 60, 0.2


@contextmanager
def temporary_service(home: Path, *, roots: Sequence[Path]) -> Iterator[Client]:
    """Run a service on a free port and yield a client of it. Raise ClientError if it does not start."""
    home.mkdir(parents=True, exist_ok=True)
    root_options = [argument for root in roots for argument in ("--dataset-root", str(root))]
    command = module_command("ted_cli.main", "--home", str(home), "up", "--port", "0", *root_options)
    log = home / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - our own module
    try:
        with _connect_when_ready(home, process, log) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def _connect_when_ready(home: Path, process: subprocess.Popen[bytes], log: Path) -> Client:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ServiceUnreachable):
            connection = read_connection(home)
            if connection["pid"] == process.pid:  # not what a killed service left behind
                return Client(connection["url"], key=connection.get("key"))
        time.sleep(POLL_SECONDS)
    raise ClientError(f"The service did not start:\n{log.read_text(errors='replace').strip()}")
