"""How long a worker leaves the jobs of a submitter to others after attempts at them have failed."""

import time
from collections import Counter
from collections.abc import Callable

LONGEST_SECONDS = 60.0
MOST_DOUBLINGS = 6


class SubmitterBackoff:
    """Failures in a row of each submitter, and submitters in a row whose attempts this worker has failed.

    A submitter whose attempt fails is held back for a second, and twice as long each time. A worker that fails the jobs
    of several submitters, as one without a disk or a GPU does, holds each of them back for longer, so that it does not
    use up the attempts of all jobs. It never makes anybody wait whose jobs have not failed, nor longer because those of
    one other submitter keep failing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = Counter[str]()
        self._failed_in_a_row = set[str]()
        self._until: dict[str, float] = {}

    def record(self, submitter: str, *, failed: bool) -> None:
        """Note how an attempt at a job of this submitter ended."""
        if failed:
            self._failures[submitter] += 1
            self._failed_in_a_row.add(submitter)
            self._until[submitter] = self._clock() + self._seconds(submitter)
        else:
            self._failed_in_a_row.clear()
            del self._failures[submitter]
            self._until.pop(submitter, None)

    def _seconds(self, submitter: str) -> float:
        failures = max(self._failures[submitter], len(self._failed_in_a_row))
        return min(2.0 ** min(failures - 1, MOST_DOUBLINGS), LONGEST_SECONDS)

    def held_back(self) -> list[str]:
        """Return the submitters whose jobs this worker does not take at present."""
        present = self._clock()
        return [submitter for submitter, until in self._until.items() if until > present]
