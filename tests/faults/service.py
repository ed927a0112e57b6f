"""The service under test: real processes that a test may kill, freeze, and start again one by one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from ted_cli.local import broker
from ted_jobs.queue.celery import celery_app
from ted_jobs.settings import Settings
from tests.faults import failpoints
from tests.faults.fault_injection import ATTEMPT_SECONDS, CLOCK_SHIFT, FIRST_BACKOFF, RUNNER
from tests.servers.stacks import until
from worker.child.starting import PROCESS_NAME

ROOT = Path(__file__).parents[2]
LEASE, SWEEP, HEARTBEAT, GRACE, ATTEMPT = 2.0, 0.2, 0.3, 1.0, 1.0
"""Seconds."""
RECOVERY_SECONDS = LEASE + SWEEP + 5
"""Within which a job that a fault has interrupted must have been claimed again."""
MODULES = {
    "api": "service",
    "sweeper": "worker.sweeper",
    "second sweeper": "worker.sweeper",
    "worker": "worker",
    "second worker": "worker",
}
NOTHING_MORE: Mapping[str, str] = {}
REQUIRED = ("broker", "api", "sweeper", "worker")
IDLE_RUNNER = str(ROOT / "tests" / "faults" / "idle_runner.py")


class Service:
    """Broker, API, sweeper and worker on one database; a second sweeper or worker if a fault needs it."""

    def __init__(
        self, home: Path, *, database: str, roots: Path, runner: str = "worker.runner", **environment: str
    ) -> None:
        self.home, self.database = home, database
        self.points = home / "points"
        self.points.mkdir(parents=True)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        injection = {failpoints.FOLDER: str(self.points), RUNNER: runner, FIRST_BACKOFF: "1"}
        self._environment = self._settings(roots) | injection | {ATTEMPT_SECONDS: str(ATTEMPT)} | environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.fault_at = 0.0

    def _settings(self, roots: Path) -> dict[str, str]:
        return {
            "TED_HOME": str(self.home),
            "TED_AUTH": "open",
            "TED_DATABASE_URL": self.database,
            "TED_BROKER_URL": f"redis+socket://{broker.socket_path(self.home)}",
            "TED_DATASET_ROOTS": str(roots),
            "TED_LISTEN_FD": str(self._listener.fileno()),
            "TED_LEASE_SECONDS": str(LEASE),
            "TED_SWEEP_SECONDS": str(SWEEP),
            "TED_HEARTBEAT_SECONDS": str(HEARTBEAT),
            "TED_CANCEL_GRACE_SECONDS": str(GRACE),
            "TED_CHECKPOINT_SECONDS": "0",
            "TED_RUNNER_THREADS": "1",
            "TED_DEVICE": "cpu",
            "TED_WEBHOOK_TARGETS": "loopback",
        }

    @property
    def settings(self) -> Settings:
        """The settings that its processes read."""
        values = {name.removeprefix("TED_").lower(): value for name, value in self._environment.items()}
        return Settings(**values)  # type: ignore[arg-type]

    # --- its processes ----------------------------------------------------------------------------------------------

    def start(self, name: str, *, clock_shift: float = 0, environment: Mapping[str, str] = NOTHING_MORE) -> None:
        """Start one process, with these variables besides its usual ones."""
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name),
                cwd=ROOT,
                env={**os.environ, **self._environment, CLOCK_SHIFT: str(clock_shift), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(self._listener.fileno(),),
                start_new_session=True,
            )

    def _command(self, name: str) -> list[str]:
        if name == "broker":
            return broker.server_command(self.home)
        return [sys.executable, "-m", "tests.faults.fault_injection", MODULES[name]]

    def start_missing(self) -> None:
        """Start the processes that have died, as a service manager would."""
        for name in REQUIRED:
            if name not in self._processes or self._processes[name].poll() is not None:
                self.start(name)

    def process(self, name: str) -> psutil.Process:
        """Return one of its processes."""
        return psutil.Process(self._processes[name].pid)

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL."""
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self, name: str) -> None:
        """Ask a process to end, and wait until it has."""
        self._processes[name].terminate()
        self._processes[name].wait(30)

    def mark_fault(self, *, clock_shift: float = 0) -> None:
        """Note that the fault is over, or that what it killed is gone: recovery is measured from here.

        If the database's clock is wrong by then, so must be this moment.
        """
        self.fault_at = time.time() + clock_shift

    def runners(self) -> list[psutil.Process]:
        """Return the processes that train for it, whatever their parent is by now."""
        return [each for each in self._own_processes() if each.name() == PROCESS_NAME or IDLE_RUNNER in each.cmdline()]

    def _own_processes(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.environ().get("TED_HOME") == str(self.home):
                    yield process
            except psutil.Error:
                continue

    # --- points -----------------------------------------------------------------------------------------------------

    def arm(self, point: str, action: str = "suspend") -> None:
        """Have the next process that gets to the point suspend itself, or suffer what the action says."""
        failpoints.arm(self.points, point, action)

    def reached(self, point: str) -> psutil.Process:
        """Wait until a process has got to the point, and return it."""
        until(lambda: failpoints.reached(self.points, point))
        pid = failpoints.reached(self.points, point)
        (self.points / f"{point}.reached").unlink()
        return psutil.Process(pid)

    def restore(self) -> None:
        """Disarm all points, resume all processes and start those that are missing."""
        for path in self.points.iterdir():
            path.unlink()
        for process in self._own_processes():
            process.resume()
        self.process("broker").resume()
        self.start_missing()

    # --- files and the broker ----------------------------------------------------------------------------------------

    def lose_broker_data(self) -> None:
        """Delete what the broker had stored on disk."""
        shutil.rmtree(self.home / "broker")

    def flush_broker(self) -> None:
        """Send FLUSHALL: every wake-up is lost, and the broker keeps running."""
        with celery_app(self.settings).connection() as connection:
            connection.default_channel.client.flushall()

    def log(self, name: str) -> str:
        """Return the log of a process."""
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        """End every process of this home, stopped ones and orphans too."""
        for process in self._own_processes():
            process.kill()
        for child in self._processes.values():  # the broker among them, whose environment cannot be read
            child.kill()
            child.wait()
        self._listener.close()


@contextmanager
def serving(
    home: Path, *, database: str, roots: Path, runner: str = "worker.runner", **environment: str
) -> Iterator[Service]:
    """Yield a service whose API answers; it ends with the block. The environment is that of its processes."""
    service = Service(home, database=database, roots=roots, runner=runner, **environment)
    try:
        service.start_missing()
        yield service
    finally:
        service.close()
