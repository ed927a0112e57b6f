"""Processes that look at datasets, shared by all apps of a session: they keep nothing of an app, and start slowly."""

from collections.abc import Iterator

import pytest

from service.inspection import pool
from service.inspection.processes import InspectionProcesses


class SharedProcesses:
    """Processes that outlive an app's pool."""

    def __init__(self, processes: InspectionProcesses) -> None:
        self.inspect = processes.inspect

    def close(self) -> None:
        """Leave them to the next app."""


@pytest.fixture(scope="session")
def processes() -> Iterator[InspectionProcesses]:
    processes = InspectionProcesses()
    yield processes
    processes.close()


@pytest.fixture(autouse=True)
def share_processes(processes: InspectionProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every conftest of tests that make apps imports this."""
    monkeypatch.setattr(pool, "InspectionProcesses", lambda: SharedProcesses(processes))
