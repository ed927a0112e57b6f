"""Processes that belong together: started in order, restarted when they crash, stopped in reverse, never orphaned."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ted_cli.local.child_group import ChildGroup
from ted_cli.local.rotation import rotate_if_large
from ted_client.errors import ClientError
from ted_core.python_process import module_command

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
SETTLED_SECONDS = 60.0
"""A process that has run this long starts over with the shortest delay."""
POLL_SECONDS = 0.2
TAIL_LINES = 15

PrintLine = Callable[[str], None]


class ProcessFailed(ClientError):
    """A process of the service did not start."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the group."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    grace_seconds: float = 8.0


@dataclass
class _RunningProcess:
    """A process, how it was started, and when it is to be restarted."""

    spec: ProcessSpec
    log: Path
    process: subprocess.Popen[bytes]
    group: ChildGroup
    started_at: float = field(default_factory=time.monotonic)
    delay: float = FIRST_DELAY
    restart_at: float | None = None


class ProcessGroup:
    """Processes whose output goes to ``<logs>/<name>.log``. ``keep_fd`` stays open until the last of them is gone."""

    def __init__(self, logs: Path, *, print_line: PrintLine, keep_fd: int) -> None:
        self.logs = logs
        self.print_line = print_line
        self._running: list[_RunningProcess] = []
        logs.mkdir(parents=True, exist_ok=True)
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            module_command("ted_cli.local.watchdog"),
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(keep_fd,),
        )

    def start(self, spec: ProcessSpec) -> None:
        """Start a process; it is restarted until the group stops."""
        log = self.logs / f"{spec.name}.log"
        process = self._spawn(spec, log)
        self._running.append(_RunningProcess(spec, log, process, ChildGroup.led_by(process.pid)))

    def _spawn(self, spec: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - commands of our own making
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(spec.environment),
                pass_fds=spec.pass_fds,
                start_new_session=True,
            )
        assert self._watchdog.stdin  # noqa: S101 - the watchdog was started with a pipe
        with suppress(BrokenPipeError):
            self._watchdog.stdin.write(b"%d\n" % process.pid)
            self._watchdog.stdin.flush()
        return process

    def wait_until(self, ready: Callable[[], bool], *, seconds: float, stop: Event) -> None:
        """Wait until the processes are ready. Raise ProcessFailed, with the end of its log, if one of them ends."""
        deadline = time.monotonic() + seconds
        while not (ready() or stop.wait(POLL_SECONDS)):
            for running in self._running:
                if running.process.poll() is not None:
                    raise ProcessFailed(f"{running.spec.name} did not start:\n{last_lines(running.log)}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The service was not ready after {seconds:.0f} s; see {self.logs}")

    def supervise(self, stop: Event) -> None:
        """Until ``stop`` is set, restart what crashes, after longer and longer delays, and rotate the logs."""
        while not stop.wait(POLL_SECONDS):
            for running in self._running:
                self._restart_if_ended(running, time.monotonic())
                rotate_if_large(running.log)

    def _restart_if_ended(self, running: _RunningProcess, moment: float) -> None:
        if running.process.poll() is None:
            return
        if running.restart_at is None:
            running.delay = FIRST_DELAY if moment - running.started_at > SETTLED_SECONDS else running.delay
            running.restart_at = moment + running.delay
            status = running.process.returncode
            self.print_line(f"{running.spec.name} ended with status {status}; it starts again in {running.delay:g} s")
        elif moment >= running.restart_at:
            running.process = self._spawn(running.spec, running.log)
            running.group = ChildGroup.led_by(running.process.pid)
            running.started_at = moment
            running.restart_at = None
            running.delay = min(2 * running.delay, LONGEST_DELAY)

    def stop(self) -> None:
        """End every process, the last started first: by SIGTERM, then by SIGKILL."""
        for running in reversed(self._running):
            _terminate(running)
        if self._watchdog.stdin:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def __enter__(self) -> "ProcessGroup":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _terminate(running: _RunningProcess) -> None:
    running.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        running.process.wait(running.spec.grace_seconds)
    running.group.kill()
    running.process.wait()


def last_lines(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
