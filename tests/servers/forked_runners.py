"""Runners that start at once, as a worker's do: all tests of a session share one process that is forked."""

import os
from collections.abc import Iterator
from threading import Lock

import psutil
import pytest

from worker.child import starting
from worker.child.standby import Standby
from worker.child.starting import PROCESS_NAME, StartedProcess, Streams, start_cold
from worker.supervisor import Supervisor
from worker.tasks import run_jobs

_one_at_a_time = Lock()
USUAL = starting.RUNNER_COMMAND
IMPORTS = os.environ["PYTHONPATH"]
"""A test whose runner is to import something else starts it from nothing."""


@pytest.fixture(scope="session")
def standby() -> Iterator[Standby]:
    standby = Standby()
    yield standby
    standby.close()


@pytest.fixture(autouse=True)
def fork_runners(standby: Standby, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every supervisor in this process forks its runners, unless a test gives them a program of its own."""

    def start(streams: Streams) -> StartedProcess:
        is_usual = starting.RUNNER_COMMAND is USUAL and os.environ["PYTHONPATH"] == IMPORTS
        with _one_at_a_time:
            return standby.start(streams) if is_usual else start_cold(streams)

    for function in (Supervisor.__init__, run_jobs):
        monkeypatch.setitem(function.__kwdefaults__, "start_runner", start)


def is_runner(process: psutil.Process) -> bool:
    """Whether a process is a runner, and not what runners are forked from."""
    return process.name() == PROCESS_NAME
