"""A PostgreSQL server of the test's own, which it may crash."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")
UNPRIVILEGED = "postgres"
"""The user that the server runs as if the tests run as root, which it refuses."""


class Cluster:
    """A server on a free port of loopback, its data in a folder of its own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, _free_port()
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--pgdata", str(folder / "data"))

    @property
    def url(self) -> str:
        """The URL of its one database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control("--wait", "--log", str(self.folder / "log"), "--options", options, "start")

    def crash(self) -> None:
        """End it as a power cut would: no checkpoint, every connection broken."""
        self._control("--mode=immediate", "stop")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        user = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.binaries / program), *arguments]
        # Not to a pipe: the server would inherit it, and reading it to its end would take for ever.
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, check=True, **user)


@contextmanager
def postgresql() -> Iterator[Cluster]:
    """Yield a running server; skip the test if PostgreSQL is not installed."""
    binaries = _binaries() or pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    folder = Path(tempfile.mkdtemp(prefix="ted-pg-"))  # not below tmp_path, which only its owner can enter
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    cluster = Cluster(binaries, folder)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.crash()
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    """Return the folder of the server's programs: Debian's newest, or that of the initdb on PATH."""
    newest = max(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), default=None)
    initdb = newest or shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
