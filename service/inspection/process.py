"""A process that inspects datasets, as the API sees it: to start, to ask and to end."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

from ted_core.datasets.inspection_messages import InspectionAnswer, InspectionRequest
from ted_core.python_process import module_command

COMMAND = module_command("ted_core.datasets.inspector")
START_SECONDS = 30.0
"""How long starting may take: it imports for half a second, on a machine with nothing else to do."""
GRACE_SECONDS = 0.5
"""After the time at which the process should have ended itself, in case that it is stopped or waits for a dead disk."""
CHUNK_BYTES = 1 << 16


class InspectionEnded(Exception):
    """The process has ended instead of answering."""

    def __init__(self, signal_number: int | None) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        """None if it has ended by itself."""


class InspectionProcess:
    """A process that has been started; it may still be importing. For one thread at a time, but for ``kill``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            COMMAND,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout, "both are pipes"  # noqa: S101
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        self._is_ready = False

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def inspect(self, request: InspectionRequest) -> InspectionAnswer:
        """Return the answer. Raises InspectionEnded, after which the process is no more."""
        try:
            self._await_ready()
            deadline = time.monotonic() + request.seconds + GRACE_SECONDS
            self._send(request.as_line(), deadline)
            return InspectionAnswer.model_validate_json(self._read_line(deadline))
        except (EOFError, BrokenPipeError) as error:
            raise InspectionEnded(self._end_signal()) from error
        except TimeoutError as error:
            self.close()
            raise InspectionEnded(signal.SIGALRM) from error

    def _await_ready(self) -> None:
        if not self._is_ready:
            self._read_line(time.monotonic() + START_SECONDS)
            self._is_ready = True

    def _send(self, line: bytes, deadline: float) -> None:
        """Write the line. Raises BrokenPipeError, TimeoutError."""
        while line:
            _wait(self._input, select.POLLOUT, deadline)
            line = line[os.write(self._input, line[:CHUNK_BYTES]) :]

    def _read_line(self, deadline: float) -> bytes:
        """Return the next line, which is all that there is to read. Raises EOFError, TimeoutError."""
        chunks = list(self._read_chunks(deadline))
        return b"".join(chunks)

    def _read_chunks(self, deadline: float) -> Iterator[bytes]:
        chunk = b""
        while not chunk.endswith(b"\n"):
            _wait(self._output, select.POLLIN, deadline)
            chunk = os.read(self._output, CHUNK_BYTES)
            if not chunk:
                raise EOFError
            yield chunk

    def _end_signal(self) -> int | None:
        """Wait until the process has ended, and return the signal that has ended it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self.close()
        status = self._process.returncode
        return -status if status is not None and status < 0 else None

    def kill(self) -> None:
        """End the process; a thread that waits for its answer gets InspectionEnded."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and forget it."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):  # one that waits for a dead disk ends when the disk is back
            self._process.wait(GRACE_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def _wait(descriptor: int, events: int, deadline: float) -> None:
    """Wait until the descriptor can be read, written, or is closed at its other end. Raises TimeoutError."""
    poll = select.poll()
    poll.register(descriptor, events)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
