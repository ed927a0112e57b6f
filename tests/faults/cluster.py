"""A PostgreSQL server of the test's own, which it may crash."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.servers.object_stores import free_port

DEBIAN = Path("/usr/lib/postgresql")
UNPRIVILEGED = "postgres"
"""The user that the server runs as if the tests run as root, which it refuses."""


class Cluster:
    """A server on a free port of loopback, its data in a folder of its own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, free_port()

    def initialize(self) -> None:
        """Create its data."""
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--pgdata", str(self.folder / "data"))

    def follow(self, primary: "Cluster") -> None:
        """Copy the primary's data, and stay its standby: what it commits from now on waits until it is written here."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        self._run("pg_basebackup", "--no-sync", "--write-recovery-conf", "--pgdata", str(self.folder / "data"),
                  "--dbname", source)  # fmt: skip
        self.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make the standby the primary, once what it has received is replayed."""
        self._control("--wait", "promote")

    def execute(self, statement: str) -> None:
        """Execute a statement outside a transaction."""
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres", autocommit=True) as connection:
            connection.execute(statement)

    @property
    def url(self) -> str:
        """The URL of the database that it has from the beginning."""
        return self._url("postgres")

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Return the URL of another database, which is empty."""
        name = f"ted_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def start(self, **environment: str) -> None:
        """Start it, and return once it answers."""
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control("--wait", "--log", str(self.folder / "log"), "--options", options, "start", **environment)

    def crash(self) -> None:
        """End it as a power cut would: no checkpoint, every connection broken."""
        self._control("--mode=immediate", "stop")

    def stop(self) -> None:
        """End it in order: connections are broken, nothing is left to recover."""
        self._control("--mode=fast", "--wait", "stop")

    def _control(self, *arguments: str, **environment: str) -> None:
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), *arguments, **environment)

    def _run(self, program: str, *arguments: str, **environment: str) -> None:
        user = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.binaries / program), *arguments]
        # Not to a pipe: the server would inherit it, and reading it to its end would take for ever.
        environment = os.environ | environment
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, env=environment, check=True, **user)


@contextmanager
def postgresql() -> Iterator[Cluster]:
    """Yield a running server; skip the test if PostgreSQL is not installed."""
    with empty_cluster() as cluster:
        cluster.initialize()
        cluster.start()
        yield cluster


@contextmanager
def primary_and_standby() -> Iterator[tuple[Cluster, Cluster]]:
    """Yield a running server and another that follows it; skip the test if PostgreSQL is not installed."""
    with postgresql() as primary, empty_cluster() as standby:
        standby.follow(primary)
        yield primary, standby


@contextmanager
def empty_cluster() -> Iterator[Cluster]:
    """Yield a server without data, which is ended and removed; skip the test if PostgreSQL is not installed."""
    binaries = _binaries() or pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    folder = Path(tempfile.mkdtemp(prefix="ted-pg-"))  # not below tmp_path, which only its owner can enter
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    cluster = Cluster(binaries, folder)
    try:
        yield cluster
    finally:
        with suppress(subprocess.CalledProcessError):  # it may have been stopped already
            cluster.crash()
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    """Return the folder of the server's programs: Debian's newest, or that of the initdb on PATH."""
    newest = max(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), default=None)
    initdb = newest or shutil.which("initdb")
    return Path(initdb).parent if initdb else None
