"""How much work is done: rows counted as they are trained on and measured, and told to whoever watches."""

from ted_core.selection.rounds import ProgressCallback, ProgressUpdate
from ted_core.storage.checkpoint import StateDict, of_number


class ProgressCounter:
    """Counts row-visits. ``work`` is what all training will take; where less was needed, the end comes early."""

    def __init__(self, watch: ProgressCallback, *, rounds: int, work: float) -> None:
        self.watch, self.rounds, self.work = watch, rounds, work
        self.round = 1
        self.trained = self.measured = 0

    def trained_on(self, rows: int) -> None:
        """Count, and tell."""
        self.trained += rows
        self.watch(ProgressUpdate(self.round, self.rounds, min(self.trained / self.work, 1.0), self.trained))

    def done(self) -> None:
        """Tell that nothing is left to train, though more was allowed for."""
        self.watch(ProgressUpdate(self.round, self.rounds, 1.0, self.trained))

    def measured_on(self, rows: int) -> None:
        """Count."""
        self.measured += rows

    def state(self) -> StateDict:
        """What was counted."""
        return {"trained": of_number(self.trained), "measured": of_number(self.measured)}

    def take_up(self, state: StateDict, *, number: int) -> None:
        """Count on from there, in round ``number``."""
        self.round, self.trained, self.measured = number, int(state["trained"]), int(state["measured"])
