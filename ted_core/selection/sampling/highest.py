"""The highest scores: of all rows, or of every class its floor or share. Thresholds are found without sorting."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from ted_core.plan import ClassBalance
from ted_core.selection.sampling.groups import Groups, first_rows, group_sizes, rows_by_group, take_places
from ted_core.selection.sampling.parts import parts

EXACT = 9
"""Decimals that a product is rounded to: 0.29 of 100 is 29, though in binary it falls short of that."""

Sizes = Int64[np.ndarray, " classes"]
Mask = Bool[np.ndarray, " samples"]


def select_highest(
    score: Float[np.ndarray, " samples"],
    count: int,
    *,
    labels: Groups,
    class_floor: float,
    class_balance: ClassBalance = "free",
) -> Mask:
    """Select the ``count`` highest scores, after every class has got the floor's share of its own size (rounded down).

    The floors come first: if they alone exceed ``count``, they are what is retained. Ties go to the earlier sample. If
    the classes' balance is to be kept, each gets its share of ``count``, and its own highest scores.
    """
    if class_balance == "free" and not class_floor:
        return highest(score, count)
    mask, quotas = np.zeros(len(score), bool), class_quotas(labels, count, class_floor, class_balance)
    for rows, quota in zip(rows_by_group(labels), quotas.tolist(), strict=True):
        mask[rows] = highest(score[rows], quota)
    rest = np.flatnonzero(~mask)
    mask[rest] = highest(score[rest], count - int(mask.sum()))
    return mask


def select_first(count: int, *, labels: Groups, quotas: Int64[np.ndarray, " classes"]) -> Mask:
    """Select what ``select_highest`` would of samples in decreasing order of score; quotas are those of the classes.

    Beside the labels this takes one byte for each sample.
    """
    mask, seen = np.zeros(len(labels), bool), np.zeros(len(quotas), np.int64)
    for part in parts(len(labels)):
        own = labels[part].astype(np.int64)
        mask[part] = take_places(own, seen) < quotas[own]
    left = max(count - int(mask.sum()), 0)
    for part in parts(len(labels)):
        rest = part.start + np.flatnonzero(~mask[part])[:left]
        mask[rest] = True
        left -= len(rest)
    return mask


def class_quotas(
    labels: Groups, count: int, class_floor: float, class_balance: ClassBalance
) -> Int64[np.ndarray, " classes"]:
    """The rows that each class gets for itself: its share if the balance is to be kept, or else its floor.

    Equal remainders go to the class that appears earlier, whatever the classes' numbers.
    """
    sizes, by_appearance = group_sizes(labels), np.argsort(first_rows(labels))
    floors = class_floors(sizes, class_floor)
    if class_balance == "free":
        return floors
    quotas = np.empty_like(sizes)
    quotas[by_appearance] = proportional_shares(sizes[by_appearance], count, at_least=floors[by_appearance])
    return quotas


def highest(score: Float[np.ndarray, " samples"], count: int) -> Mask:
    """Select the ``count`` highest scores, of equal ones the earlier; none if it is negative."""
    if not 0 < count < len(score):
        return np.full(len(score), count > 0)
    threshold = np.partition(score, len(score) - count)[len(score) - count]
    mask = np.asarray(score > threshold)
    mask[np.flatnonzero(score == threshold)[: count - int(mask.sum())]] = True
    return mask


def class_floors(sizes: Sizes, share: float) -> Sizes:
    """The rows that a class floor gives each class."""
    return np.floor(np.round(share * sizes, EXACT)).astype(np.int64)


def proportional_shares(sizes: Sizes, count: int, *, at_least: Sizes | int = 0) -> Sizes:
    """Divide ``count`` in proportion to the sizes: the whole parts, then one more for the largest remainders.

    This is Hamilton's method, in integers so that rounding plays no part; of equal remainders the earlier comes first.
    ``at_least`` are floors of one share of all sizes, rounded down, that together do not exceed ``count``.
    """
    total = int(sizes.sum())
    whole = np.maximum(sizes * count // total, at_least)
    remainder = sizes * count - whole * total
    largest = np.argsort(-remainder, kind="stable")[: count - int(whole.sum())]
    whole[largest] += 1
    return np.asarray(whole)
