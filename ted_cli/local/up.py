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
from ted_cli.local.process_group import Household, Part, Say
from ted_cli.local.processes import command
from ted_cli.local.processes import environment as inherited
from ted_client.client import CONNECTION, Client
from ted_client.errors import ClientError
from ted_client.retry import AT_ONCE
from ted_core.datasets.sources.base import Root

READY_SECONDS = 60.0
LOOPBACK = "127.0.0.1"


class HomeInUse(ClientError):
    """Another ``ted up`` already runs there."""


class PortInUse(ClientError):
    """Another program already listens there."""


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    home: Path
    port: int
    dataset_roots: Sequence[Root]


def up(options: Options, *, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises ClientErrors that say what stands in the way."""
    stop = _stop_on_signal()
    options.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        _locked(options.home) as lock,
        _listening(options.port) as listener,
        Household(options.home / "logs", say=say, keep_fd=lock) as house,
    ):
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        environment = _environment(options, listener)
        _migrate(environment)
        for part in _parts(options.home, environment, listener):
            house.start(part)
        house.wait_until(lambda: _is_ready(url), seconds=READY_SECONDS, stop=stop)
        key = own_key(options.home, url, environment=environment, say=say)
        with _announced(options, url, key=key):
            say(f"TED is ready at {url} (data in {options.home}; Ctrl-C stops it)")
            house.keep(stop)
            say("stopping")


def _parts(home: Path, environment: Mapping[str, str], listener: socket.socket) -> Iterator[Part]:
    """The processes in the order in which they start. An external broker takes the place of the embedded one."""
    if not os.environ.get("TED_BROKER_URL"):
        yield Part("broker", broker.command(home), environment)
    yield Part("api", command("api"), environment, pass_fds=(listener.fileno(),))
    yield Part("sweeper", command("sweeper"), environment, grace_seconds=20)
    yield Part("worker", command("worker"), environment, grace_seconds=20)


def _environment(options: Options, listener: socket.socket) -> dict[str, str]:
    chosen = {"TED_LISTEN_FD": str(listener.fileno()), "TED_DATASET_ROOTS": _joined(options.dataset_roots)}
    nearby = {"TED_WEBHOOK_TARGETS": os.environ.get("TED_WEBHOOK_TARGETS") or "loopback"}
    return inherited(options.home) | chosen | nearby


def _joined(roots: Sequence[Root]) -> str:
    return os.pathsep.join(map(str, roots))


def _migrate(environment: Mapping[str, str]) -> None:
    done = subprocess.run(command("migrate"), env=dict(environment), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ClientError(f"The database could not be prepared:\n{done.stderr.strip()}")


def _is_ready(url: str) -> bool:
    try:
        with Client(url, patience=AT_ONCE) as client:
            return bool(client.ready()["status"] == "ok")
    except ClientError:
        return False


def _stop_on_signal() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def _locked(home: Path) -> Iterator[int]:
    """The descriptor of a lock on the home folder. Whoever inherits it holds the lock too."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeInUse(f"Another `ted up` runs in {home}; stop it or choose another --home.") from error
        yield file.fileno()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """A listening socket that the API inherits: while the API restarts, connections wait instead of being refused."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise PortInUse(f"Port {port} is taken; choose another --port (0 for any that is free).") from error
        listener.listen(1024)
        yield listener


@contextmanager
def _announced(options: Options, url: str, *, key: str | None) -> Iterator[None]:
    """While the block runs, the home folder says where the service is and what opens it; readable by its owner only."""
    path = options.home / CONNECTION
    facts = {"url": url, "key": key, "pid": os.getpid(), "dataset_roots": _joined(options.dataset_roots)}
    write_private(path, json.dumps(facts))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
