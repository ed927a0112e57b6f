"""Rows a part at a time: what is computed of them stays in the processor's cache, and never takes memory of its own."""

from collections.abc import Iterator

PART_BITS = 16
PART = 1 << PART_BITS


def parts(rows: int) -> Iterator[slice]:
    """The slices of all rows, in order."""
    return (slice(start, min(start + PART, rows)) for start in range(0, rows, PART))
