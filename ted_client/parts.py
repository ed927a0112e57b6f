"""The processes of the service, each one command, and the environment that tells them where things are."""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from ted_client import broker
from ted_client.client import CONNECTION

MODULES = {
    "api": "service",
    "sweeper": "worker.sweeper",
    "worker": "worker",
    "migrate": "ted_jobs.migrations",
    "doctor": "worker.doctor",
}


def command(name: str) -> tuple[str, ...]:
    """How the part is run, in this interpreter."""
    return (sys.executable, "-m", MODULES[name])


def environment(home: Path) -> dict[str, str]:
    """This process's variables, and what follows from the home folder where they do not say otherwise.

    That is the embedded broker's socket, and the dataset roots of the ``ted up`` that runs there.
    """
    implied = {"TED_BROKER_URL": f"redis+socket://{broker.socket_path(home)}"} | _announced(home)
    return implied | dict(os.environ) | {"TED_HOME": str(home)}


def _announced(home: Path) -> dict[str, str]:
    try:
        connection = json.loads((home / CONNECTION).read_text())
        return {"TED_DATASET_ROOTS": str(connection["dataset_roots"])}
    except (OSError, ValueError, KeyError):
        return {}


def become(name: str, home: Path) -> NoReturn:
    """Go on as this part: same process, so that signals, exit status and standard streams are its own."""
    os.execve(sys.executable, command(name), environment(home))  # noqa: S606 - our own module
