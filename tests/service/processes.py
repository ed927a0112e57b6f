"""The API as a process of its own that can be killed and started again behind the same address."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ted_jobs.settings import Settings
from tests.servers.stacks import until


class ApiProcess:
    """``python -m service`` on a socket that outlives it."""

    def __init__(self, settings: Settings, *, log: Path, open_files: int | None = None, **environment: str) -> None:
        self.settings, self.log, self.environment = settings, log, environment
        self.limit = f"ulimit -n {open_files} && " if open_files else ""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        environment = {
            "TED_DATABASE_URL": self.settings.database,
            "TED_HOME": str(self.settings.home),
            "TED_DATASET_ROOTS": str(self.settings.dataset_roots[0]),
            "TED_AUTH": self.settings.auth,
            "TED_LISTEN_FD": str(self.listener.fileno()),
        }
        command = f'{self.limit}exec "{sys.executable}" -m service'
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                env=os.environ | environment | self.environment,
                stderr=log,
                pass_fds=(self.listener.fileno(),),
            )
        until(lambda: "Application startup complete" in self.log.read_text())

    def kill(self) -> None:
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()


@contextmanager
def api_process(
    settings: Settings, *, log: Path, open_files: int | None = None, **environment: str
) -> Iterator[ApiProcess]:
    """A running one, which may open so many files."""
    api = ApiProcess(settings, log=log, open_files=open_files, **environment)
    try:
        api.start()
        yield api
    finally:
        api.kill()
        api.listener.close()
