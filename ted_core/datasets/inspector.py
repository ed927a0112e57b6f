"""``python -m ted_core.datasets.inspector``: a process that inspects datasets for another, and may die of them.

Files that strangers have written are parsed by libraries in C++, which a few flipped bits can make abort, take all the
memory or never end. So the API looks at none itself: a process like this one does, in limited memory and time. It reads
a request from each line of its standard input, writes a line with the answer to its standard output, and ends when its
input does.
"""

import os
import resource
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from ted_core.datasets.budget import Budget, limited
from ted_core.datasets.inspection_messages import READY, InspectionAnswer, InspectionRequest
from ted_core.datasets.loading import inspect
from ted_core.errors import DatasetUnreadable, TedError
from ted_core.storage.rlimit import limit_memory

COUNTING_SECONDS = 2.0
"""After this long, the rows are left for the worker to count."""
PREVIEW_SECONDS = 0.8
"""How long rows are looked at besides: the first ones, and all targets as far as that goes."""
TEXT_BYTES = 1 << 30
"""After so many bytes of text, decompressed, as well."""
MEMORY_BYTES = 512 << 20
"""Beyond what the process takes when idle. An honest Parquet footer of 10 MB takes a fifth of it."""
LONGEST_ANSWER = 4 << 20
"""Bytes: about 100,000 names of columns."""
NICENESS = 10
OOM_SCORE, FIRST_TO_GO = Path("/proc/self/oom_score_adj"), "900"
STACK_BYTES = 1 << 20
"""Of each thread, since stacks count as memory."""


def answer(request: InspectionRequest) -> bytes:
    """Return the line that answers the request."""
    try:
        content = _inspect(request).as_line()
    except Exception:  # a defect, which the API reports and outlives
        content = InspectionAnswer(defect=ascii(traceback.format_exc())).as_line()
    if len(content) <= LONGEST_ANSWER:
        return content
    fact = f"The names of its columns take {len(content):,} bytes, more than {LONGEST_ANSWER:,}"
    return InspectionAnswer.refusing(DatasetUnreadable(fact, field="dataset.uri")).as_line()


def _inspect(request: InspectionRequest) -> InspectionAnswer:
    try:
        with limited(Budget(COUNTING_SECONDS, TEXT_BYTES, preview_seconds=PREVIEW_SECONDS)):
            return InspectionAnswer(summary=inspect(request.spec, roots=request.roots))
    except TedError as error:
        return InspectionAnswer.refusing(error)
    except MemoryError:
        fact = f"It takes more than {MEMORY_BYTES >> 20} MiB of memory to look at"
        return InspectionAnswer.refusing(DatasetUnreadable(fact, field="dataset.uri"))


def answer_all(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request. The system ends this process if one takes too long, even if this has lost its parent."""
    answers.write(READY)
    answers.flush()
    for request in map(InspectionRequest.model_validate_json, requests):
        _limit_time(request.seconds, request.processor_seconds)
        content = answer(request)
        _limit_time(0, 0)
        answers.write(content)
        answers.flush()


def _limit_time(seconds: float, processor_seconds: float) -> None:
    """Let the system end this process after so long, unless it is called again before; 0: not at all."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, processor_seconds)


def confine_process() -> None:
    """Let this process take little of the machine, be the first to go if memory runs out, and leave no core files."""
    os.nice(NICENESS)
    with suppress(OSError):  # on macOS
        OOM_SCORE.write_text(FIRST_TO_GO)
    pa.set_cpu_count(1)
    threading.stack_size(STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(MEMORY_BYTES)


def main() -> None:
    """Answer the requests on standard input; whatever a library prints goes nowhere."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        confine_process()
        answer_all(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
