"""How many rows each epoch of a run visits that begins with all rows and keeps fewer and fewer."""

from collections.abc import Callable

from ted_core.selection.schedule import retained_counts

SMALLEST_SHARE = 0.3
"""Of all rows: what the last epoch may shrink to."""
FEWEST_EPOCHS = 3


def shrinking_counts(
    rows: int, work: float, *, epochs: int, overhead: Callable[[int], float] = lambda _: 0.0
) -> list[int] | None:
    """Return how many rows each epoch trains on; they shrink as in TED's loop and take this work, up to rounding.

    It is as many epochs, at most ``epochs``, as leave the last one no fewer than 30 % of the rows. ``overhead`` maps
    a number of epochs to the row visits that they take beside training. None if not even three epochs fit.
    """
    for length in range(epochs, FEWEST_EPOCHS - 1, -1):
        kept = _last_count(rows, work - overhead(length), epochs=length)
        if SMALLEST_SHARE * rows - 1 <= kept <= rows:
            return counts_of_epochs(rows, kept, epochs=length)
    return None


def counts_of_epochs(rows: int, kept: int, *, epochs: int) -> list[int]:
    """Return how many rows each epoch trains on: what was retained after the one before."""
    return [rows, *retained_counts(rows, kept, rounds=epochs)[:-1]]


def _last_count(rows: int, visits: float, *, epochs: int) -> int:
    """The rows of the last epoch with which all add up to the visits: a linear function of it."""
    most, least = (sum(counts_of_epochs(rows, kept, epochs=epochs)) for kept in (rows, 0))
    return round(rows * (visits - least) / (most - least))
