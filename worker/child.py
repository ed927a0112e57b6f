"""The runner as its supervisor sees it: a process to start, to read from and to stop."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO

import structlog
from pydantic import ValidationError

from ted_core.python_process import module_command
from worker.messages import Assignment, RunnerMessage, message_from_json

log = structlog.get_logger()

RUNNER_COMMAND = module_command("worker.runner")
LONGEST_LINE = 1 << 20
MOST_UNREAD_MESSAGES = 256
"""Unread messages that are kept. Beyond these the pipe fills up, and the runner waits."""
LOG_TAIL_BYTES = 2000
KILL_SECONDS = 10.0
"""How long a runner may take to end after SIGKILL."""
NO_PROGRESS_BARS = {"TQDM_DISABLE": "1"}
"""Libraries draw progress bars on standard error, which is the runner's log file."""
RUNNER_OOM_SCORE_ADJ = "800"
"""A raised oom_score_adj: if memory runs out, the kernel kills the runner, not the supervisor that reports it."""


class RunnerProcess:
    """A runner that has been started. Its standard input is its lifeline: it exits when this end closes."""

    def __init__(self, assignment: Assignment, log: Path) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                RUNNER_COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env=os.environ | NO_PROGRESS_BARS,
            )
        self._oom_kills = oom_kill_count()
        self._messages: Queue[RunnerMessage | None] = Queue(MOST_UNREAD_MESSAGES)
        self._output_ended = False
        _expose_to_oom_killer(self.process.pid)
        with suppress(BrokenPipeError):  # it died at once; its exit status says why
            self._input.write(assignment.model_dump_json().encode() + b"\n")
            self._input.flush()
        self._reader = Thread(target=self._read_output, daemon=True)
        self._reader.start()

    @property
    def _input(self) -> IO[bytes]:
        assert self.process.stdin  # noqa: S101 - requested when the process was started
        return self.process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout  # noqa: S101 - requested when the process was started
        return self.process.stdout

    def _read_output(self) -> None:
        for line in iter(lambda: self._output.readline(LONGEST_LINE), b""):
            with suppress(ValidationError):  # a stray line is no message
                self._messages.put(message_from_json(line))
        self._messages.put(None)

    def read_messages(self, *, seconds: float | None) -> list[RunnerMessage]:
        """Wait at most ``seconds`` for a message; return it with those behind it, or nothing."""
        messages: list[RunnerMessage] = []
        with suppress(Empty):
            message = self._messages.get(timeout=seconds)
            while message is not None:
                messages.append(message)
                message = self._messages.get_nowait()
            self._output_ended = True
        return messages

    @property
    def output_ended(self) -> bool:
        """Return whether all of the runner's messages have been read and no more will come."""
        return self._output_ended

    @property
    def was_out_of_memory(self) -> bool:
        """Return whether the kernel has killed a process for lack of memory since this one was started."""
        return oom_kill_count() > self._oom_kills

    def stop(self, *, grace_seconds: float) -> None:
        """End the runner and all its children: with SIGTERM, then with SIGKILL.

        One that waits in the kernel, for a file system that hangs, does not end even then: it is left behind.
        """
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=grace_seconds)
        self._signal(signal.SIGKILL)
        try:
            self.process.wait(timeout=KILL_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("runner cannot be killed", pid=self.process.pid)
        else:
            self._close()

    def _close(self) -> None:
        while not self._output_ended:
            self.read_messages(seconds=None)
        self._reader.join()
        self._output.close()
        with suppress(BrokenPipeError):  # closing flushes what the runner never read
            self._input.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def log_tail(self) -> str:
        """Return the end of the runner's log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").strip()


@contextmanager
def runner_process(assignment: Assignment, *, log: Path, grace_seconds: float) -> Iterator[RunnerProcess]:
    """Run the block beside a runner, which is stopped when the block ends."""
    child = RunnerProcess(assignment, log)
    try:
        yield child
    finally:
        child.stop(grace_seconds=grace_seconds)


def oom_kill_count(path: Path = Path("/proc/vmstat")) -> int:
    """Return how many processes the kernel has killed for lack of memory since boot; 0 if it does not say."""
    with suppress(OSError):
        counts = dict(line.split() for line in path.read_text().splitlines())
        return int(counts.get("oom_kill", 0))
    return 0


def _expose_to_oom_killer(pid: int) -> None:
    with suppress(OSError):  # on macOS, and for a process that has already ended
        Path(f"/proc/{pid}/oom_score_adj").write_text(RUNNER_OOM_SCORE_ADJ)
