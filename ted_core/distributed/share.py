"""Which rows of a batch a rank takes. Torch-free."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Shaped

FEWEST_ROWS = 2
"""In a batch: batch normalization cannot use a single one."""


@dataclass(frozen=True)
class Share:
    """Every ``count``-th row of each batch, beginning with the one at ``place``."""

    place: int = 0
    count: int = 1

    def of(self, values: Shaped[np.ndarray, "rows ..."]) -> Shaped[np.ndarray, "own ..."]:
        """This share of one batch."""
        return values if self.count == 1 else values[self.place :: self.count]

    def size(self, rows: int) -> int:
        """How many of a batch's rows are in this share."""
        return len(range(self.place, rows, self.count))

    def of_batches(self, order: Int64[np.ndarray, " rows"], batch_size: int) -> Int64[np.ndarray, " own"]:
        """This share of each batch into which the order is cut, one behind the other."""
        if self.count == 1:
            return order
        place_in_batch = np.arange(len(order)) % batch_size
        return np.asarray(order[place_in_batch % self.count == self.place])

    def full_batches(self, order: Int64[np.ndarray, " rows"], batch_size: int) -> Int64[np.ndarray, " full"]:
        """The order without a last batch of so few rows that one share would be empty, or the batch a single row."""
        rest = len(order) % batch_size
        return order[: len(order) - rest] if rest < max(FEWEST_ROWS, self.count) else order

    def stretch(self, rows: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " own"]:
        """One of ``count`` stretches of the rows, of almost equal lengths: for measuring, where order is as it is."""
        return rows if self.count == 1 else np.array_split(rows, self.count)[self.place]


WHOLE = Share()


def owner_quotas(rows: Int64[np.ndarray, " owners"], batch_size: int) -> Int64[np.ndarray, "steps owners"]:
    """How many rows of each owner are in each step of an epoch: its share of them all, up to whole rows.

    All rows are in one step each, and steps are equally large up to a row of each owner; but a step of so few rows that
    batch normalization cannot use them is left out.
    """
    steps = max(1, -(-int(rows.sum()) // batch_size))
    sizes = np.diff(np.arange(steps + 1)[:, None] * rows // steps, axis=0)
    return np.asarray(sizes[sizes.sum(1) >= FEWEST_ROWS])
