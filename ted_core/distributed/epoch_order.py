"""In which order a rank takes its rows of an epoch, and how many of them for each step. Torch-free."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from ted_core.datasets.samples import Ownership
from ted_core.distributed.share import Share, owner_quotas

RowIndices = Int64[np.ndarray, " rows"]


class EpochOrder(NamedTuple):
    """A rank's part in an epoch over some rows, in a random order."""

    own: RowIndices
    """The rows that this rank takes, step after step."""
    sizes: int | list[int]
    """How many of them each step takes; one number if it is the same for all but the last."""
    steps: Sequence[int]
    """How many rows each step has on all ranks together."""
    share: Share | None
    """Which of the random numbers that are drawn for a step's rows are for this rank's; None if it draws its own."""
    rng: np.random.Generator
    """Where they come from."""

    def draw(self, rows: int) -> dict[str, Any]:
        """How ``augment_images`` is to draw for this rank's part of a step of so many rows."""
        return {} if self.share is None else {"rows": rows, "share": self.share}


def shared_order(rows: RowIndices, batch_size: int, *, rng: np.random.Generator, share: Share) -> EpochOrder:
    """All ranks draw one order of all rows, and each takes its share of every batch."""
    order = share.full_batches(rng.permutation(rows), batch_size)
    steps = [min(batch_size, len(order) - start) for start in range(0, len(order), batch_size)]
    own = share.of_batches(order, batch_size)
    return EpochOrder(own, max(1, share.size(batch_size)), steps, share, rng)


def owned_order(rows: RowIndices, batch_size: int, *, rng: np.random.Generator, ownership: Ownership) -> EpochOrder:
    """Each rank draws an order of its own rows from a stream of its own, and takes its quota for every step.

    The rows ascend. A quota may be no rows at all.
    """
    rng = rng.spawn(len(ownership.starts) - 1)[ownership.owner]
    quotas = owner_quotas(ownership.counts(rows), batch_size)
    sizes = quotas[:, ownership.owner]
    own = rng.permutation(ownership.own_of(rows))[: sizes.sum()]
    return EpochOrder(own, sizes.tolist(), quotas.sum(1).tolist(), None, rng)
