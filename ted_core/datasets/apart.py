"""Footers that are too long to be read by this process are read by another one, which may fall over them."""

import subprocess
import sys
from contextlib import suppress
from threading import BoundedSemaphore, Lock

import pyarrow as pa

from ted_core.footers import MEMORY_BYTES, SECONDS, SIZE_BYTES, Footer

LONGEST_TRUSTED = 16 << 10
"""Bytes of a footer that may be read here: the worst found takes 30 MB and a fifth of a second."""
MOST_AT_A_TIME = 2
COMMAND = [sys.executable, "-m", "ted_core.footers"]
ROOM = BoundedSemaphore(MOST_AT_A_TIME)


class FooterReader:
    """Reads the footers of one dataset; the other process is started for the first long one, and ends with ``with``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = Lock()

    def __enter__(self) -> "FooterReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._ended(self._process)

    def read(self, content: bytes, *, length: int) -> Footer:
        """The footer of this length at the end of the content. Raises ArrowException, OSError."""
        if length <= LONGEST_TRUSTED:
            return Footer.read(content)
        with self._turn:
            return self._read_apart(content)

    def _read_apart(self, content: bytes) -> Footer:
        self._process = process = self._process or _started()
        assert process.stdin and process.stdout, "both are pipes"  # noqa: S101
        with suppress(BrokenPipeError):
            process.stdin.write(len(content).to_bytes(SIZE_BYTES, "big") + content)
            process.stdin.flush()
        if answer := process.stdout.readline():
            return Footer.of_json(answer)
        self._process = None
        self._ended(process)
        raise pa.ArrowInvalid(f"its footer takes more than {MEMORY_BYTES >> 20} MiB of memory or {SECONDS} s to read")

    @staticmethod
    def _ended(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()
        ROOM.release()


def _started() -> subprocess.Popen[bytes]:
    """Another process, as soon as there is room for it."""
    ROOM.acquire()
    try:
        return subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
    except BaseException:
        ROOM.release()
        raise
