"""The processes of the service, each one command, and the environment that tells them where things are."""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from ted_cli.local import broker
from ted_client.client import CONNECTION_FILE

MODULES = {
    "api": "service",
    "sweeper": "worker.sweeper",
    "worker": "worker",
    "migrate": "ted_jobs.db.migrations",
    "keys": "ted_jobs.api_keys.commands",
    "doctor": "worker.doctor",
}


def process_command(name: str, *arguments: str) -> tuple[str, ...]:
    """How the part is run, in this interpreter."""
    return (sys.executable, "-m", MODULES[name], *arguments)


def process_environment(home: Path) -> dict[str, str]:
    """This process's variables, and what follows from the home folder where they are not set, or empty.

    That is the embedded broker's socket, and the dataset roots of the ``ted up`` that runs there.
    """
    implied = {"TED_BROKER_URL": f"redis+socket://{broker.socket_path(home)}"} | _connection_environment(home)
    said = {name: value for name, value in os.environ.items() if value or name not in implied}
    return implied | said | {"TED_HOME": str(home)}


def _connection_environment(home: Path) -> dict[str, str]:
    try:
        connection = json.loads((home / CONNECTION_FILE).read_text())
        return {"TED_DATASET_ROOTS": str(connection["dataset_roots"])}
    except (OSError, ValueError, KeyError):
        return {}


def exec_process(name: str, home: Path, *arguments: str) -> NoReturn:
    """Go on as this part: same process, so that signals, exit status and standard streams are its own."""
    os.execve(sys.executable, process_command(name, *arguments), process_environment(home))  # noqa: S606 - our own module
