"""What the footer of a Parquet file tells; and ``python -m ted_core.footers``, which reads those that might do harm.

A footer can be forged so that reading it takes 10,000 times its length in memory (a deep path of long names with many
columns below it) and seconds per kilobyte. So long ones are read by a process of its own, in limited memory and time,
which answers with what they tell: a line of JSON for each footer.
"""

import base64
import json
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ted_core.ceiling import limit_memory

MEMORY_BYTES, SECONDS = 512 << 20, 20
"""For one footer. An honest one of 10 MB takes a fifth of the memory and a third of a second."""
LONGEST_ANSWER, LONGEST_REASON = 32 << 20, 500
SIZE_BYTES = 8


@dataclass(frozen=True)
class Footer:
    """What concerns us of it."""

    schema: pa.Schema
    rows: int
    rows_in_groups: int
    """The same, added up; -1 where a group claims less than none."""
    nulls: Mapping[str, int]
    """Path in the schema → nulls, where statistics show any."""

    @classmethod
    def read(cls, content: bytes) -> "Footer":
        """From the end of a file. Raises ArrowException, OSError."""
        found = pq.read_metadata(pa.BufferReader(content))
        nulls: Counter[str] = Counter()
        for chunk in chunks(found):
            if chunk.is_stats_set and chunk.statistics.null_count:
                nulls[chunk.path_in_schema] += chunk.statistics.null_count
        rows = [found.row_group(number).num_rows for number in range(found.num_row_groups)]
        return cls(
            found.schema.to_arrow_schema(), found.num_rows, -1 if min(rows, default=0) < 0 else sum(rows), dict(nulls)
        )

    def as_json(self) -> bytes:
        """A line for ``of_json``."""
        schema = base64.b64encode(self.schema.serialize()).decode()
        told = {"schema": schema, "rows": self.rows, "rows_in_groups": self.rows_in_groups, "nulls": self.nulls}
        return json.dumps(told).encode()

    @classmethod
    def of_json(cls, line: bytes) -> "Footer":
        """What the other process made of it. Raises ArrowInvalid where it could not."""
        told = json.loads(line)
        if "refused" in told:
            raise pa.ArrowInvalid(told["refused"])
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(told.pop("schema"))))
        return cls(schema, **told)


def chunks(footer: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    """What the footer tells of every column in every row group."""
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
    """Read every footer, each after its size in eight bytes. Who takes too long over one is ended by the system."""
    while size := questions.read(SIZE_BYTES):
        content = questions.read(int.from_bytes(size, "big"))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        answers.write(_answer(content) + b"\n")
        answers.flush()


if __name__ == "__main__":
    limit_memory(MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
