"""A runner that has been started: a process to read from and to stop."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import BinaryIO

import structlog
from pydantic import ValidationError

from worker.child.precedence import oom_kill_count, put_last
from worker.child.starting import KILL_SECONDS, StartedProcess, StartRunner, Streams
from worker.messages import Assignment, RunnerMessage, message_from_json

log = structlog.get_logger()

LONGEST_LINE = 1 << 20
MOST_UNREAD_MESSAGES = 256
"""Unread messages that are kept. Beyond these the pipe fills up, and the runner waits."""
LOG_TAIL_BYTES = 2000


class RunnerProcess:
    """A runner that has been started. Its standard input is its lifeline: it exits when this end closes."""

    def __init__(self, assignment: Assignment, log: Path, start: StartRunner) -> None:
        """``log``: the file of its standard error. Raises OSError if it cannot be started."""
        self.log = log
        self._oom_kills = oom_kill_count()
        self.process, self._input, self._output = _started(start, log)
        self._messages: Queue[RunnerMessage | None] = Queue(MOST_UNREAD_MESSAGES)
        self._output_ended = False
        put_last(self.process.pid)
        with suppress(BrokenPipeError):  # it died at once; its exit status says why
            self._input.write(assignment.model_dump_json().encode() + b"\n")
            self._input.flush()
        self._reader = Thread(target=self._read_output, daemon=True)
        self._reader.start()

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
def runner_process(
    assignment: Assignment, *, log: Path, start: StartRunner, grace_seconds: float
) -> Iterator[RunnerProcess]:
    """Run the block beside a runner, which is stopped when the block ends. Raises OSError if there is none."""
    child = RunnerProcess(assignment, log, start)
    try:
        yield child
    finally:
        child.stop(grace_seconds=grace_seconds)


def _started(start: StartRunner, log: Path) -> tuple[StartedProcess, BinaryIO, BinaryIO]:
    """A runner, and this process's ends of its standard input and output."""
    with ExitStack() as files, log.open("wb") as error:
        input_end, own_input = _pipe(files)
        own_output, output_end = _pipe(files)
        with input_end, output_end:
            process = start(Streams(input_end.fileno(), output_end.fileno(), error.fileno()))
        files.pop_all()
    return process, own_input, own_output


def _pipe(files: ExitStack) -> tuple[BinaryIO, BinaryIO]:
    """The two ends of a new pipe: one to read from and one to write to."""
    reading, writing = os.pipe()
    return files.enter_context(os.fdopen(reading, "rb")), files.enter_context(os.fdopen(writing, "wb"))
