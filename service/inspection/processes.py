"""Warm processes that inspect datasets: started when they are first needed, replaced when they end."""

import signal
from threading import Lock

from cachetools import LRUCache

from service.inspection.errors import InspectionBusy
from service.inspection.process import InspectionEnded, InspectionProcess
from ted_core.datasets import DatasetSummary
from ted_core.datasets.inspection_messages import InspectionAnswer, InspectionRequest
from ted_core.errors import DatasetUnreadable, StoreUnavailable, TedError
from ted_core.storage.object_store import is_object_uri

MOST_REMEMBERED = 1000
"""Datasets of which is remembered which process has looked at them last, and so has their summaries in its cache."""
FROM_OUTSIDE = (None, signal.SIGKILL, signal.SIGTERM)
"""What ends a process whatever the dataset: an operator, or the kernel for lack of memory."""
FIELD = "dataset.uri"


class InspectionDefect(Exception):
    """An inspection has met an error that has no name; its traceback is the message."""


class InspectionProcesses:
    """Processes for as many threads as call ``inspect`` at the same time."""

    def __init__(self) -> None:
        self._idle: list[InspectionProcess] = []
        self._busy: set[InspectionProcess] = set()
        self._last: LRUCache[str, InspectionProcess] = LRUCache(MOST_REMEMBERED)
        self._is_closed = False
        self._lock = Lock()

    def warm_up(self, count: int) -> None:
        """Start processes until there are so many."""
        with self._lock:
            while len(self._idle) + len(self._busy) < count:
                self._idle.append(InspectionProcess())

    def inspect(self, request: InspectionRequest) -> DatasetSummary:
        """Return the summary of the dataset; asked again of another process if the first one was ended from outside.

        Raises the TedError that the inspection has met; DatasetUnreadable, which says how, if it has ended its process;
        StoreUnavailable, InspectionBusy and InspectionDefect.
        """
        try:
            return _summary(self._ask(request))
        except InspectionEnded as ended:
            if ended.signal_number not in FROM_OUTSIDE:
                raise _refusal(request, ended) from ended
        try:
            return _summary(self._ask(request))
        except InspectionEnded as ended:
            raise _refusal(request, ended) from ended

    def _ask(self, request: InspectionRequest) -> InspectionAnswer:
        process = self._take(request.spec.uri)
        try:
            answer = process.inspect(request)
        except InspectionEnded:
            self._replace(process)
            raise
        self._put_back(process)
        return answer

    def _take(self, uri: str) -> InspectionProcess:
        """Return a process that is idle, preferably the one that has looked at this dataset last, or a new one."""
        with self._lock:
            if self._is_closed:
                raise InspectionBusy("It is being shut down")
            last = self._last.get(uri)
            process = last if last in self._idle else next(iter(self._idle), None)
            if process:
                self._idle.remove(process)
            self._last[uri] = process = process or _start()
            self._busy.add(process)
            return process

    def _put_back(self, process: InspectionProcess) -> None:
        with self._lock:
            self._busy.discard(process)
            self._idle.append(process)

    def _replace(self, process: InspectionProcess) -> None:
        """Start another in its place now, so that it is warm when it is needed."""
        with self._lock:
            self._busy.discard(process)
            if not self._is_closed:
                self._idle.append(_start())

    def close(self) -> None:
        """End all processes; threads that wait for an answer get InspectionBusy."""
        with self._lock:
            self._is_closed = True
            for process in self._idle:
                process.close()
            for process in self._busy:
                process.kill()


def _start() -> InspectionProcess:
    try:
        return InspectionProcess()
    except OSError as error:
        raise InspectionBusy(f"No process could be started ({error.strerror})") from error


def _summary(answer: InspectionAnswer) -> DatasetSummary:
    if answer.refusal:
        raise answer.refusal.error()
    if answer.summary is None:
        raise InspectionDefect(answer.defect)
    return answer.summary


def _refusal(request: InspectionRequest, ended: InspectionEnded) -> TedError:
    """Return what to tell the client of a dataset that has ended a process."""
    number = ended.signal_number
    if number is None:
        return InspectionBusy("The process that looks at datasets ended at once")
    if number == signal.SIGALRM:  # it has waited for a processor, or for what the dataset lies in
        error = StoreUnavailable if is_object_uri(request.spec.uri) else InspectionBusy
        return error(f"Looking at the dataset took longer than {request.seconds:g} s", field=FIELD)
    if number == signal.SIGPROF:
        time = f"more than {request.processor_seconds:g} s of a processor"
        return DatasetUnreadable(f"Looking at it takes {time}; use fewer files, or fewer columns", field=FIELD)
    file_format = request.spec.format or "what its name shows"
    ending = f"Reading it as {file_format} has ended the process that did ({signal.Signals(number).name})"
    return DatasetUnreadable(f"{ending}: it is damaged, or takes too much memory", field=FIELD)
