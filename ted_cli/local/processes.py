"""The commands that start the processes of the service, and the environment that configures them."""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from ted_cli.local import broker
from ted_client.connection import CONNECTION_FILE
from ted_core.python_process import module_command

MODULES = {
    "api": "service",
    "sweeper": "worker.sweeper",
    "worker": "worker",
    "node": "worker.nodes",
    "migrate": "ted_jobs.db.migrations",
    "keys": "ted_jobs.api_keys.commands",
    "doctor": "worker.doctor",
    "run": "worker.local",
}


def process_command(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of a process, with this interpreter."""
    return module_command(MODULES[name], *arguments)


def process_environment(home: Path) -> dict[str, str]:
    """Return this process's variables; those that are unset or empty are derived from the home folder.

    They are the embedded broker's socket and the dataset roots of the ``ted up`` that runs there.
    """
    derived = {"TED_BROKER_URL": f"redis+socket://{broker.socket_path(home)}"} | _connection_environment(home)
    inherited = {name: value for name, value in os.environ.items() if value or name not in derived}
    return derived | inherited | {"TED_HOME": str(home)}


def _connection_environment(home: Path) -> dict[str, str]:
    try:
        connection = json.loads((home / CONNECTION_FILE).read_text())
        return {"TED_DATASET_ROOTS": str(connection["dataset_roots"]), "TED_DATASET_ROOTS_FILE": str(roots_file(home))}
    except (OSError, ValueError, KeyError):
        return {}


def roots_file(home: Path) -> Path:
    """Return the place of the file with the dataset roots that ``ted roots`` has added."""
    return home / "dataset-roots"


def exec_process(name: str, home: Path, *arguments: str) -> NoReturn:
    """Replace this process by another, which so keeps the signals, exit status and standard streams."""
    os.execve(sys.executable, process_command(name, *arguments), process_environment(home))  # noqa: S606 - our own module
