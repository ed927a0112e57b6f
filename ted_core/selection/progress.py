"""How much work is done: rows are counted as they are trained on and measured, and progress is reported."""

from ted_core.selection.rounds import ProgressCallback, ProgressUpdate
from ted_core.storage.checkpoint import StateDict, of_number


class ProgressCounter:
    """Counts row-visits. ``work`` is what all training takes at most."""

    def __init__(self, watch: ProgressCallback, *, rounds: int, work: float) -> None:
        self.watch, self.rounds, self.work = watch, rounds, work
        self.round = 1
        self.rows_trained = self.rows_measured = 0

    def count_trained(self, rows: int) -> None:
        """Count rows that were trained on, and report the progress."""
        self.rows_trained += rows
        self.watch(ProgressUpdate(self.round, self.rounds, min(self.rows_trained / self.work, 1.0), self.rows_trained))

    def finish(self) -> None:
        """Report that training is finished, even if it took less than was allowed for."""
        self.watch(ProgressUpdate(self.round, self.rounds, 1.0, self.rows_trained))

    def count_measured(self, rows: int) -> None:
        """Count rows that were measured."""
        self.rows_measured += rows

    def state_dict(self) -> StateDict:
        """The counts."""
        return {"trained": of_number(self.rows_trained), "measured": of_number(self.rows_measured)}

    def load_state_dict(self, state: StateDict, *, number: int) -> None:
        """Resume from these counts, in round ``number``."""
        self.round = number
        self.rows_trained, self.rows_measured = int(state["trained"]), int(state["measured"])
