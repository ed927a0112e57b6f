"""How far a phase has come in which a pretrained model goes over all rows, before the first round."""

import time
from collections.abc import Callable
from typing import Literal

from worker.messages import ProgressMessage, RunnerMessage
from worker.timing.eta import REPORT_INTERVAL_SECONDS


class PreparationReporter:
    """Reports the share of the rows that is done, a few times a second at most."""

    def __init__(
        self,
        report: Callable[[RunnerMessage], None],
        *,
        phase: Literal["loading", "pruning"],
        rows: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.report, self.phase, self.rows, self.clock = report, phase, rows, clock
        self._done, self._reported_at = 0, float("-inf")

    def __call__(self, rows: int) -> None:
        self._done += rows
        if self.clock() - self._reported_at >= REPORT_INTERVAL_SECONDS:
            self._reported_at = self.clock()
            share = min(self._done / max(1, self.rows), 1.0)
            self.report(ProgressMessage(phase=self.phase, phase_fraction=share))
