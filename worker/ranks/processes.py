"""The other ranks of a job on this machine: forks of the runner, which ends as soon as one of them does.

No rank outlives the runner: the kernel kills them with it, and where it cannot, the end of a pipe tells them.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from typing import NoReturn

from pydantic import ValidationError

from ted_core.distributed.errors import RankLost
from worker.child.precedence import oom_kill_count
from worker.messages import Failed
from worker.ranks.exit_status import status_error
from worker.runner_errors import named_error

SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
LONGEST_REPORT = 1 << 16
"""Bytes of an error; a pipe holds as many without a reader."""
CAUSE_SECONDS = 2.0
"""How long the rank that was lost may take to be seen to have ended, once another has missed it."""


@dataclass(frozen=True)
class RankProcess:
    """A fork that is one of the ranks."""

    number: int
    pid: int
    report: int
    """The pipe on which it says why it fails."""


class RankProcesses:
    """The other ranks of this machine, while the calling process is one, too."""

    def __init__(self, numbers: Iterable[int], work: Callable[[int], None]) -> None:
        """Fork a process for each number, which does this work and ends. The caller has no other threads yet."""
        self._oom_kills = oom_kill_count()
        self._lifeline, self._kept = os.pipe()
        self.processes = [self._fork(number, work) for number in numbers]
        self._failures: dict[int, Failed] = {}
        self._concluding = Lock()
        self._watchers: list[Thread] = []

    def watch(self, end: Callable[[Failed], None]) -> None:
        """From now on call ``end`` with the reason once a rank has failed. It is called once, and ends this process."""
        self._watchers = [Thread(target=self._watch, args=(one, end), daemon=True) for one in self.processes]
        for watcher in self._watchers:
            watcher.start()

    def join(self) -> None:
        """Wait until all ranks have done their work."""
        for watcher in self._watchers:
            watcher.join()

    def conclude(self, failed: Failed) -> None:
        """Be the one to report why the job fails. If that is a rank that is missed, its own end is the reason."""
        if self.processes and failed.code == RankLost.code():
            time.sleep(2 * CAUSE_SECONDS)
        self._concluding.acquire()  # for good: nobody else is to report anything

    def _fork(self, number: int, work: Callable[[int], None]) -> RankProcess:
        reading, writing = os.pipe()
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _die_with(parent, self._lifeline, self._kept)
            _run_and_exit(number, work, report=writing)
        os.close(writing)
        return RankProcess(number, pid, reading)

    def _watch(self, process: RankProcess, end: Callable[[Failed], None]) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        if status == 0:
            return
        self._failures[process.number] = failed = self._failure(process, status)
        if failed.code == RankLost.code():
            time.sleep(CAUSE_SECONDS)
        self._concluding.acquire()  # for good
        end(min(self._failures.values(), key=lambda one: one.code == RankLost.code()))

    def _failure(self, process: RankProcess, status: int) -> Failed:
        with suppress(ValidationError):
            return Failed.model_validate_json(os.read(process.report, LONGEST_REPORT))
        out_of_memory = oom_kill_count() > self._oom_kills
        return Failed.from_error(status_error(status, name=f"Rank {process.number}", out_of_memory=out_of_memory))


def _die_with(parent: int, lifeline: int, kept: int) -> None:
    """Let this process end when its parent does, however that ends."""
    with suppress(AttributeError, OSError):  # on macOS
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before it could matter
        os._exit(os.EX_TEMPFAIL)
    os.close(kept)
    Thread(target=_exit_at_end_of, args=(lifeline,), daemon=True).start()


def _exit_at_end_of(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(os.EX_TEMPFAIL)


def _run_and_exit(number: int, work: Callable[[int], None], *, report: int) -> NoReturn:
    status = os.EX_SOFTWARE
    try:
        work(number)
        status = os.EX_OK
    except Exception as error:
        traceback.print_exc()
        os.write(report, Failed.from_error(named_error(error)).model_dump_json().encode())
    sys.stderr.flush()
    os._exit(status)
