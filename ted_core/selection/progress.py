"""How much work is done: rows counted as they are trained on and measured, and told to whoever watches."""

from ted_core.selection.rounds import ProgressCallback, ProgressUpdate
from ted_core.storage.checkpoint import StateDict, of_number


class ProgressCounter:
    """Counts row-visits. ``work`` is what all training will take; where less was needed, the end comes early."""

    def __init__(self, watch: ProgressCallback, *, rounds: int, work: float) -> None:
        self.watch, self.rounds, self.work = watch, rounds, work
        self.round = 1
        self.rows_trained = self.rows_measured = 0

    def count_trained(self, rows: int) -> None:
        """Count, and tell."""
        self.rows_trained += rows
        self.watch(ProgressUpdate(self.round, self.rounds, min(self.rows_trained / self.work, 1.0), self.rows_trained))

    def finish(self) -> None:
        """Tell that nothing is left to train, though more was allowed for."""
        self.watch(ProgressUpdate(self.round, self.rounds, 1.0, self.rows_trained))

    def count_measured(self, rows: int) -> None:
        """Count."""
        self.rows_measured += rows

    def state_dict(self) -> StateDict:
        """What was counted."""
        return {"trained": of_number(self.rows_trained), "measured": of_number(self.rows_measured)}

    def load_state_dict(self, state: StateDict, *, number: int) -> None:
        """Count on from there, in round ``number``."""
        self.round, self.rows_trained, self.rows_measured = number, int(state["trained"]), int(state["measured"])
