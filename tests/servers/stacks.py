"""The local stack as real processes: ``ted up`` in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from ted_client import Client
from worker.child.starting import PROCESS_NAME

READY_SECONDS = 90


def until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


@dataclass(frozen=True)
class Up:
    """A running ``ted up``."""

    home: Path
    process: subprocess.Popen[str]
    client: Client

    def processes(self) -> list[psutil.Process]:
        """Return every process that it has started, at any depth."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *words: str) -> psutil.Process:
        """Return the first of its living processes whose command line contains these words."""
        return next(process for process in self.processes() if set(words) <= set(_words(process)))

    def runner(self) -> psutil.Process | None:
        """Return the process that trains, if there is one."""
        return next((process for process in psutil.process_iter() if self._trains(process)), None)

    def _trains(self, process: psutil.Process) -> bool:
        try:
            return process.name() == PROCESS_NAME and process.environ().get("TED_HOME") == str(self.home)
        except psutil.Error:
            return False

    def stop(self, number: int = signal.SIGINT, *, seconds: float = 40) -> int:
        """Send a signal, as Ctrl-C does, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


def _words(process: psutil.Process) -> list[str]:
    """Return its command line; empty if it has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def command(*arguments: str) -> list[str]:
    """Return the ``ted`` command in this interpreter."""
    return [sys.executable, "-m", "ted_cli.main", *arguments]


@contextmanager
def ted_up(home: Path, *, roots: Path | str, **environment: str) -> Iterator[Up]:
    """Yield the service once it is ready; it stops with the block, unless the test has stopped it."""
    process = subprocess.Popen(
        command("--home", str(home), "up", "--port", "0", "--dataset-root", str(roots)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TED_RUNNER_THREADS": "2", "TED_DEVICE": "cpu"} | environment,
    )
    connection = home / "connection.json"
    try:
        until(lambda: connection.exists() or process.poll() is not None, seconds=READY_SECONDS)
        assert process.poll() is None, process.stdout and process.stdout.read()
        with Client.from_home(home) as client:
            yield Up(home, process, client)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        if process.stdout:
            process.stdout.close()
