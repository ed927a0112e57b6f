"""``ted up``: the whole service in one foreground command, all its data in one folder."""

import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ted_cli.local import broker
from ted_cli.local.key import own_key, write_private
from ted_cli.local.process_group import PrintLine, ProcessGroup, ProcessSpec
from ted_cli.local.processes import process_command, process_environment, roots_file
from ted_client.client import Client
from ted_client.connection import CONNECTION_FILE
from ted_client.errors import ClientError
from ted_client.retry import NO_RETRY
from ted_core.storage.file_store import StorageRoot
from ted_core.storage.private_files import keep_new_files_private
from ted_core.storage.roots import roots_in_file

READY_SECONDS = 60.0
LOOPBACK = "127.0.0.1"


class HomeInUse(ClientError):
    """Another ``ted up`` already runs there."""


class HomeUnusable(ClientError):
    """The home folder cannot be made, or not written to."""


class RootMissing(ClientError):
    """A dataset root is no folder that exists."""


class PortInUse(ClientError):
    """Another program already listens there."""


@dataclass(frozen=True)
class UpOptions:
    """What a user may choose."""

    home: Path
    port: int
    dataset_roots: Sequence[StorageRoot]
    workers: int = 1


def run_service(options: UpOptions, *, print_line: PrintLine) -> None:
    """Run the service until SIGINT or SIGTERM. Raise a ClientError that says what to do if it cannot run."""
    try:
        _run_service(options, print_line=print_line)
    except OSError as error:
        remedy = "make room there and let this user write there, or choose another --home"
        raise HomeUnusable(f"{options.home} cannot be used ({error}): {remedy}.") from error


def _run_service(options: UpOptions, *, print_line: PrintLine) -> None:
    _refuse_missing_roots(options.dataset_roots)
    stop = _stop_on_signal()
    keep_new_files_private()
    options.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        _home_lock(options.home) as lock,
        _bound_socket(options.port) as listener,
        ProcessGroup(options.home / "logs", print_line=print_line, keep_fd=lock) as processes,
    ):
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        environment = _environment(options, listener)
        print_line("preparing the database")
        _migrate(environment)
        print_line("starting the API, the sweeper and the workers")
        for spec in _process_specs(options, environment, listener):
            processes.start(spec)
        processes.wait_until(lambda: _is_ready(url), seconds=READY_SECONDS, stop=stop)
        key = own_key(options.home, url, environment=environment, print_line=print_line)
        with _connection_file(options, url, key=key):
            print_line(f"TED is ready at {url} (data in {options.home}; Ctrl-C stops it)")
            _print_directions(options, url, print_line=print_line)
            processes.supervise(stop)
            print_line("stopping")


def _refuse_missing_roots(roots: Sequence[StorageRoot]) -> None:
    for root in roots:
        if isinstance(root, Path) and not root.is_dir():
            raise RootMissing(f"The dataset root {root} is no folder; make it, or name another --dataset-root.")


def _print_directions(options: UpOptions, url: str, *, print_line: PrintLine) -> None:
    """Say where datasets may lie, where the API is described, and what to do first."""
    home = "" if options.home == Path("~/.ted").expanduser() else f"--home {options.home} "
    roots = ", ".join(map(str, (*options.dataset_roots, *roots_in_file(roots_file(options.home)))))
    print_line(f"Datasets may lie in {roots}" if roots else f"No dataset is allowed yet: ted {home}roots add FOLDER")
    print_line(f"The API is described at {url}/docs")
    print_line(f"Next, in another terminal: ted {home}submit --dataset … --task … --proxy mlp --keep 0.6 --watch")


def _process_specs(
    options: UpOptions, environment: Mapping[str, str], listener: socket.socket
) -> Iterator[ProcessSpec]:
    """Yield the processes in the order in which they start. An external broker replaces the embedded one."""
    if not os.environ.get("TED_BROKER_URL"):
        yield ProcessSpec("broker", broker.server_command(options.home), environment)
    yield ProcessSpec("api", process_command("api"), environment, pass_fds=(listener.fileno(),))
    yield ProcessSpec("sweeper", process_command("sweeper"), environment, grace_seconds=20)
    for name in ("worker", *(f"worker-{number}" for number in range(2, options.workers + 1))):
        yield ProcessSpec(name, process_command("worker"), environment, grace_seconds=20)


def _environment(options: UpOptions, listener: socket.socket) -> dict[str, str]:
    options_environment = {
        "TED_LISTEN_FD": str(listener.fileno()),
        "TED_DATASET_ROOTS": _join_roots(options.dataset_roots),
        "TED_DATASET_ROOTS_FILE": str(roots_file(options.home)),
        "TED_WORKERS": str(options.workers),
    }
    webhook_targets = os.environ.get("TED_WEBHOOK_TARGETS") or "loopback"
    return process_environment(options.home) | options_environment | {"TED_WEBHOOK_TARGETS": webhook_targets}


def _join_roots(roots: Sequence[StorageRoot]) -> str:
    return os.pathsep.join(map(str, roots))


def _migrate(environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own module
        process_command("migrate"), env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClientError(f"The database could not be prepared:\n{done.stderr.strip()}")


def _is_ready(url: str) -> bool:
    try:
        with Client(url, retry=NO_RETRY) as client:
            return bool(client.ready()["status"] == "ok")
    except ClientError:
        return False


def _stop_on_signal() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def _home_lock(home: Path) -> Iterator[int]:
    """Yield the descriptor of a lock on the home folder. A process that inherits it holds the lock too."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeInUse(f"Another `ted up` runs in {home}; stop it or choose another --home.") from error
        yield file.fileno()


@contextmanager
def _bound_socket(port: int) -> Iterator[socket.socket]:
    """Yield a listening socket that the API inherits: while the API restarts, connections wait and are not refused."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise PortInUse(f"Port {port} is taken; choose another --port (0 for any that is free).") from error
        listener.listen(1024)
        yield listener


@contextmanager
def _connection_file(options: UpOptions, url: str, *, key: str | None) -> Iterator[None]:
    """Keep the service's URL and key in the home folder while the block runs, readable only by its owner."""
    path = options.home / CONNECTION_FILE
    facts = {"url": url, "key": key, "pid": os.getpid(), "dataset_roots": _join_roots(options.dataset_roots)}
    write_private(path, json.dumps(facts))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
