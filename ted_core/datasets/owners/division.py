"""Which owner gets which of a dataset's files: whole files that follow each other, with about equally many rows."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from ted_core.errors import TooFewShards


def divided(rows: Sequence[int], owners: int) -> list[slice]:
    """Return the files of each owner, given the rows of each file; every owner has some rows.

    Each border between two owners is the one between two files that is nearest to where equal parts would meet.
    Raises TooFewShards.
    """
    before = [0, *accumulate(rows)]
    borders = [file for file, count in enumerate(rows) if before[file] and count]
    if len(borders) < owners - 1:
        files = len(borders) + 1
        raise TooFewShards(f"{owners} ranks cannot share {files} files with rows", field="plan.sampling")
    chosen, first = [0], 0
    for owner in range(1, owners):
        ideal = before[-1] * owner / owners
        possible = range(first, len(borders) - (owners - 1 - owner))
        nearest = min(possible, key=lambda number: abs(before[borders[number]] - ideal))
        chosen.append(borders[nearest])
        first = nearest + 1
    return [slice(start, end) for start, end in pairwise([*chosen, len(rows)])]
