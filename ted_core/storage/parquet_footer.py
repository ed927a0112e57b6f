"""The footer of a Parquet file; long ones are read by another process, ``python -m`` this module.

A footer can be forged so that reading it takes 10,000 times its length in memory (a deep path of long names with many
columns below it) and seconds per kilobyte. So long ones are read by another process, in limited memory and time, which
answers with a line of JSON for each footer and may die of them. This module lies here and not among the formats because
importing ``ted_core.datasets`` would take that process three times as long as it needs to start.
"""

import base64
import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.python_process import module_command
from ted_core.storage.rlimit import limit_memory

MEMORY_BYTES, SECONDS = 512 << 20, 20
"""For one footer. An honest one of 10 MB takes a fifth of the memory and a third of a second."""
LONGEST_ANSWER, LONGEST_REASON = 32 << 20, 500
SIZE_BYTES = 8
LONGEST_TRUSTED = 16 << 10
"""Bytes of a footer that may be read here: the worst found takes 30 MB and a fifth of a second."""
MOST_PROCESSES = 2
COMMAND = module_command("ted_core.storage.parquet_footer")
PROCESS_SLOTS = BoundedSemaphore(MOST_PROCESSES)


@dataclass(frozen=True)
class Footer:
    """What TED uses of a Parquet footer."""

    schema: pa.Schema
    rows: int
    rows_in_groups: int
    """The sum over the row groups; -1 if one of them claims a negative number."""
    nulls: Mapping[str, int]
    """Path in the schema → nulls, if statistics show any."""

    @classmethod
    def read(cls, content: bytes) -> "Footer":
        """Read it from the end of a file. Raises ArrowException, OSError."""
        metadata = pq.read_metadata(pa.BufferReader(content))
        nulls: Counter[str] = Counter()
        for chunk in chunks(metadata):
            if chunk.is_stats_set and chunk.statistics.null_count:
                nulls[chunk.path_in_schema] += chunk.statistics.null_count
        rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        rows_in_groups = -1 if min(rows, default=0) < 0 else sum(rows)
        return cls(metadata.schema.to_arrow_schema(), metadata.num_rows, rows_in_groups, dict(nulls))

    def as_json(self) -> bytes:
        """Return a line for ``of_json``."""
        schema = base64.b64encode(self.schema.serialize()).decode()
        return json.dumps(vars(self) | {"schema": schema}).encode()

    @classmethod
    def of_json(cls, line: bytes) -> "Footer":
        """Return the footer that the other process has read. Raises ArrowInvalid if it could not."""
        answer = json.loads(line)
        if "refused" in answer:
            raise pa.ArrowInvalid(answer["refused"])
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(answer.pop("schema"))))
        return cls(schema, **answer)


def chunks(footer: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    """Yield what the footer says of every column in every row group."""
    for group in map(footer.row_group, range(footer.num_row_groups)):
        yield from map(group.column, range(group.num_columns))


def _answer(content: bytes) -> bytes:
    try:
        answer = Footer.read(content).as_json()
    except (pa.ArrowException, OSError) as error:
        return _refusal(str(error))
    return answer if len(answer) <= LONGEST_ANSWER else _refusal("its schema is too large")


def _refusal(reason: str) -> bytes:
    return json.dumps({"refused": reason[:LONGEST_REASON]}).encode()


def answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    """Read every footer, each after its size in eight bytes. The system ends this process if one takes too long."""
    while size := questions.read(SIZE_BYTES):
        content = questions.read(int.from_bytes(size, "big"))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        answers.write(_answer(content) + b"\n")
        answers.flush()


class FooterReader:
    """Reads the footers of one dataset. The other process is started for the first long one, and ends with ``with``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def __enter__(self) -> "FooterReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._end(self._process)

    def read(self, content: bytes, *, length: int) -> Footer:
        """Return the footer of this length at the end of the content. Raises ArrowException, OSError."""
        if length <= LONGEST_TRUSTED:
            return Footer.read(content)
        with self._lock:
            return self._read_in_subprocess(content)

    def _read_in_subprocess(self, content: bytes) -> Footer:
        self._process = process = self._process or _start()
        assert process.stdin and process.stdout, "both are pipes"  # noqa: S101
        with suppress(BrokenPipeError):
            process.stdin.write(len(content).to_bytes(SIZE_BYTES, "big") + content)
            process.stdin.flush()
        if answer := process.stdout.readline():
            return Footer.of_json(answer)
        self._process = None
        self._end(process)
        raise pa.ArrowInvalid(f"its footer takes more than {MEMORY_BYTES >> 20} MiB of memory or {SECONDS} s to read")

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()
        PROCESS_SLOTS.release()


def _start() -> subprocess.Popen[bytes]:
    """Another process, as soon as few enough are running."""
    PROCESS_SLOTS.acquire()
    try:
        return subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
    except BaseException:
        PROCESS_SLOTS.release()
        raise


if __name__ == "__main__":
    limit_memory(MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
