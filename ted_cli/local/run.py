"""The process that makes one selection without a service, as ``ted run`` sees it."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ted_cli.local.processes import process_command, process_environment
from ted_client.errors import ClientError
from ted_client.job import JobSnapshot

ENDS = (signal.SIGINT, signal.SIGTERM)


class RunBroken(ClientError):
    """The process that makes the selection has ended without saying why."""


class RunInterrupted(ClientError):
    """The run was interrupted; the same command goes on from its last checkpoint."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def run_locally(
    job: Mapping[str, Any], folder: Path, *, home: Path, overwrite: bool, on_change: Callable[[JobSnapshot], None]
) -> JobSnapshot:
    """Return the run once it has ended, however it did; ``on_change`` is called with each state of it.

    Raise RunInterrupted after SIGINT or SIGTERM, and RunBroken.
    """
    request = {"job": job, "folder": str(folder), "overwrite": overwrite}
    state = None
    with _process(home) as process, _ended_by_signals(process) as received:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101 - all are pipes
        log = _Tail(process.stderr)
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        for state in _states(process.stdout):
            on_change(state)
        process.wait()
        if received and not (state and state.status == "succeeded"):
            raise RunInterrupted(received[0])
        if process.returncode or state is None:
            raise RunBroken(f"The run broke off with status {process.returncode}:\n{log.text()}")
    return state


def _states(lines: Any) -> Iterator[JobSnapshot]:
    for line in lines:
        with suppress(ValueError):  # a stray line is no state
            yield JobSnapshot(json.loads(line))


@contextmanager
def _process(home: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, in a session of its own: a terminal's Ctrl-C is for this one, which then asks it to end."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        process_command("run"),
        env=process_environment(home) | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()  # its lifeline
            process.wait()


@contextmanager
def _ended_by_signals(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on, once; yield the list of those that came."""
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)

    before = {number: signal.signal(number, pass_on) for number in ENDS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Tail:
    """The end of what a process writes to standard error, read beside it so that its pipe never fills up."""

    def __init__(self, stream: Any) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self._lines = [*self._lines[-20:], line]

    def text(self) -> str:
        self._thread.join()
        return "".join(self._lines).strip()
