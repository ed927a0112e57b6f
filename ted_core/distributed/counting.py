"""How many rows all ranks have trained on, counted while they train."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from ted_core.distributed.world import World


class WorldCounter:
    """Counts the rows of several models that are trained at the same time.

    Ranks do not tell each other of every step, so until the end each takes the other models to be as far as its own.
    """

    def __init__(self, world: World, models: int, count_rows: Callable[[int], None]) -> None:
        self.world, self.count_rows = world, count_rows
        self.rows: Int64[np.ndarray, " models"] = np.zeros(models, np.int64)
        """Of the models that are trained here."""
        self.at_once = min(models, world.models)
        self._reported = 0

    def of(self, number: int) -> Callable[[int], None]:
        """What counts the rows of the model of this number."""

        def count(rows: int) -> None:
            self.rows[number] += rows
            self._report(rows * self.at_once)

        return count

    def finish(self) -> Int64[np.ndarray, " models"]:
        """Return the rows of every model, and correct what has been counted. All ranks call it."""
        spoken_for = np.array([self.world.speaks_for(number) for number in range(len(self.rows))])
        rows = self.world.union(self.rows * spoken_for)
        if difference := int(rows.sum()) - self._reported:
            self._report(difference)
        return rows

    def _report(self, rows: int) -> None:
        self._reported += rows
        self.count_rows(rows)
