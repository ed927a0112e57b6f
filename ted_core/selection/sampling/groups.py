"""Groups of rows, numbered from 0: which rows they have, where they begin, which place a row takes. In linear time."""

import numpy as np
from jaxtyping import Int64, Integer

from ted_core.selection.sampling.parts import PART, PART_BITS, parts

Groups = Integer[np.ndarray, " rows"]


def group_sizes(groups: Groups) -> Int64[np.ndarray, " groups"]:
    """The number of rows of each group; ``np.bincount`` of all at once would copy them as eight bytes each."""
    sizes = np.zeros(int(groups.max()) + 1, np.int64)
    for part in parts(len(groups)):
        sizes += np.bincount(groups[part], minlength=len(sizes))
    return sizes


def rows_by_group(groups: Groups) -> list[Int64[np.ndarray, " own"]]:
    """The rows of each group, ascending.

    Numbers in one or two bytes are sorted digit by digit, which takes as long for each row however many there are.
    """
    sizes = group_sizes(groups)
    rows = np.argsort(groups.astype(np.min_scalar_type(len(sizes))), kind="stable")
    return np.split(rows, np.cumsum(sizes)[:-1])


def first_rows(groups: Groups) -> Int64[np.ndarray, " groups"]:
    """The first row of each group; the number of rows for groups that have none."""
    first = np.full(int(groups.max()) + 1, len(groups))
    for part in reversed(list(parts(len(groups)))):
        first[groups[part][::-1]] = np.arange(part.start, part.stop)[::-1]  # of equal indices the last is assigned
    return first


def take_places(
    groups: Int64[np.ndarray, " rows"], following: Int64[np.ndarray, " groups"]
) -> Int64[np.ndarray, " rows"]:
    """Give each row its group's following place, one after the other, and move these on. At most ``PART`` rows."""
    by_group = np.sort(groups << PART_BITS | np.arange(len(groups)))
    group = by_group >> PART_BITS
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    lengths, found = np.diff(begins, append=len(groups)), group[begins]
    places = np.empty_like(groups)
    places[by_group & (PART - 1)] = np.arange(len(groups)) + np.repeat(following[found] - begins, lengths)
    following[found] += lengths
    return places
