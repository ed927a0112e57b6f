"""Processes that belong together: started in order, restarted when they crash, stopped in reverse, never orphaned."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ted_client.errors import ClientError

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
SETTLED_SECONDS = 60.0
"""A process that has run this long starts over with the shortest delay."""
POLL_SECONDS = 0.2
TAIL_LINES = 15

PrintLine = Callable[[str], None]


class ProcessFailed(ClientError):
    """A part of the service did not start."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the household."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    grace_seconds: float = 8.0


@dataclass
class _RunningProcess:
    """A part, its process, and when it was last started."""

    spec: ProcessSpec
    log: Path
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    delay: float = FIRST_DELAY
    restart_at: float | None = None


class ProcessGroup:
    """Some parts, whose output goes to ``<logs>/<name>.log``. ``keep_fd`` stays open until the last of them is gone."""

    def __init__(self, logs: Path, *, say: PrintLine, keep_fd: int) -> None:
        self.logs, self.say = logs, say
        self._running: list[_RunningProcess] = []
        logs.mkdir(parents=True, exist_ok=True)
        tether = (sys.executable, "-m", "ted_cli.local.watchdog")
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            tether, stdin=subprocess.PIPE, start_new_session=True, pass_fds=(keep_fd,)
        )

    def start(self, part: ProcessSpec) -> None:
        """Start a part; it is restarted until the household stops."""
        log = self.logs / f"{part.name}.log"
        self._running.append(_RunningProcess(part, log, self._spawn(part, log)))

    def _spawn(self, part: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - commands of our own making
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(part.environment),
                pass_fds=part.pass_fds,
                start_new_session=True,
            )
        assert self._watchdog.stdin  # noqa: S101 - asked for when the tether was started
        with suppress(BrokenPipeError):
            self._watchdog.stdin.write(b"%d\n" % process.pid)
            self._watchdog.stdin.flush()
        return process

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, stop: Event) -> None:
        """Wait for the parts to be ready. Raises ProcessFailed with the end of a part's log where one gives up."""
        deadline = time.monotonic() + seconds
        while not (ready() or stop.wait(POLL_SECONDS)):
            for one in self._running:
                if one.process.poll() is not None:
                    raise ProcessFailed(f"{one.spec.name} did not start:\n{last_lines(one.log)}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The service was not ready after {seconds:.0f} s; see {self.logs}")

    def supervise(self, stop: Event) -> None:
        """Restart what crashes until told to stop; the longer the more often it does."""
        while not stop.wait(POLL_SECONDS):
            for one in self._running:
                self._restart_if_ended(one, time.monotonic())

    def _restart_if_ended(self, one: _RunningProcess, moment: float) -> None:
        if one.process.poll() is None:
            return
        if one.restart_at is None:
            one.delay = FIRST_DELAY if moment - one.started_at > SETTLED_SECONDS else one.delay
            one.restart_at = moment + one.delay
            self.say(f"{one.spec.name} ended with status {one.process.returncode}; it starts again in {one.delay:g} s")
        elif moment >= one.restart_at:
            one.process, one.started_at, one.restart_at = self._spawn(one.spec, one.log), moment, None
            one.delay = min(2 * one.delay, LONGEST_DELAY)

    def stop(self) -> None:
        """End every part, the last started first; politely, then not."""
        for one in reversed(self._running):
            _terminate(one)
        if self._watchdog.stdin:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def __enter__(self) -> "ProcessGroup":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _terminate(one: _RunningProcess) -> None:
    one.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        one.process.wait(one.spec.grace_seconds)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid, signal.SIGKILL)
    one.process.wait()


def last_lines(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
