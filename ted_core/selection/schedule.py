"""How many samples each round retains, and how the highest scores are selected."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64

from ted_core.plan import ClassBalance

WARM_UP_ROUNDS, WARM_UP_SHARE = 2, 1 / 6
FEWEST_ROUNDS = 3
LOOP_SHARE = 1 / 3
EPOCHS_PER_ROUND = 2
"""More rounds measure more often, which costs time and was worth nothing."""
FIRST_MEASURED = 2
EXACT = 9
"""Decimals that a product is rounded to: 0.29 of 100 is 29, though in binary it falls short of that."""


def warm_up(rounds: int) -> int:
    """The round after which pruning begins: the second, or a sixth of all, but never later than the last but one."""
    return min(max(WARM_UP_ROUNDS, round(WARM_UP_SHARE * rounds)), rounds - 1)


def loop_epochs(epochs: int) -> int:
    """The epochs that twins train for if the proxy itself has this many: a third, three if that is more.

    But never all of them: measuring takes time, too, and the loop is not to cost more than a full run.
    """
    return min(max(epochs - 1, 1), max(FEWEST_ROUNDS, round(LOOP_SHARE * epochs)))


def loop_rounds(epochs: int) -> int:
    """The rounds that a plan has if it leaves them open: one for every two of the loop's epochs, but at least three.

    If the epochs are fewer than three, it is a single round: nothing is to be pruned before it was measured.
    """
    trained = loop_epochs(epochs)
    return max(FEWEST_ROUNDS, round(trained / EPOCHS_PER_ROUND)) if trained >= FEWEST_ROUNDS else 1


def is_measured(number: int, *, rounds: int) -> bool:
    """Whether samples are measured after this round: from the second on, since the first teaches twins too little."""
    return number >= min(FIRST_MEASURED, rounds)


def retained_counts(samples: int, kept: int, *, rounds: int) -> list[int]:
    """The number of samples retained after each round.

    It stays at all samples for the warm-up, then decreases linearly to ``kept``, which it reaches one round before the
    end.

    The last of several rounds trains on ``kept`` samples and selects as many once more; a single one trains on all.
    """
    first = warm_up(rounds)
    shares = [min(max((number - first + 1) / (rounds - first), 0.0), 1.0) for number in range(1, rounds + 1)]
    return [samples - round(share * (samples - kept)) for share in shares]


def select_highest(
    score: Float[np.ndarray, " samples"],
    count: int,
    *,
    labels: Int64[np.ndarray, " samples"],
    class_floor: float,
    class_balance: ClassBalance = "free",
) -> Bool[np.ndarray, " samples"]:
    """Select the ``count`` highest scores, after every class has got the floor's share of its own size (rounded down).

    The floors come first: if they alone exceed ``count``, they are what is retained. Ties go to the earlier sample. If
    the classes' balance is to be kept, each gets its share of ``count``, and its own highest scores.
    """
    order = np.argsort(-score, kind="stable")
    mask = np.zeros(len(score), bool)
    if class_balance == "keep":
        mask[_balanced_rows(order, count, labels=labels, class_floor=class_floor)] = True
        return mask
    mask[_floor_rows(order, labels, class_floor)] = True
    rest = order[~mask[order]]
    mask[rest[: max(count - int(mask.sum()), 0)]] = True
    return mask


def _balanced_rows(
    order: Int64[np.ndarray, " samples"], count: int, *, labels: Int64[np.ndarray, " samples"], class_floor: float
) -> Int64[np.ndarray, " rows"]:
    """Each class's best rows, as many as its share of ``count``, and never fewer than the floor gives it."""
    _, first, group, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    by_appearance = np.argsort(first)  # equal remainders must not be decided by how classes are numbered
    shares = np.empty_like(sizes)
    shares[by_appearance] = proportional_shares(
        sizes[by_appearance], count, at_least=_floors(sizes[by_appearance], class_floor)
    )
    by_group = order[np.argsort(group[order], kind="stable")]
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(by_group[place < shares[group[by_group]]])


def proportional_shares(
    sizes: Int64[np.ndarray, " classes"], count: int, *, at_least: Int64[np.ndarray, " classes"] | int = 0
) -> Int64[np.ndarray, " classes"]:
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


def _floors(sizes: Int64[np.ndarray, " classes"], share: float) -> Int64[np.ndarray, " classes"]:
    """The rows that a class floor gives each class."""
    return np.floor(np.round(share * sizes, EXACT)).astype(np.int64)


def _floor_rows(
    order: Int64[np.ndarray, " samples"], labels: Int64[np.ndarray, " samples"], share: float
) -> Int64[np.ndarray, " rows"]:
    """Each class's best rows, as many as the floor gives it."""
    if not share:
        return order[:0]
    ranked = labels[order]
    classes, sizes = np.unique(labels, return_counts=True)
    floors = _floors(sizes, share)
    return np.concatenate([order[ranked == label][:floor] for label, floor in zip(classes, floors, strict=True)])


def epochs_of_round(number: int, *, rounds: int, epochs: int) -> range:
    """The epochs, counted from 0, that round ``number`` trains; all rounds together train each epoch once."""
    return range(epochs * (number - 1) // rounds, epochs * number // rounds)


def row_visits(samples: int, counts: Sequence[int], *, epochs: int) -> int:
    """Row-visits of training in the whole loop, if ``counts`` samples are retained after its rounds."""
    before = [samples, *counts[:-1]]
    rounds = len(counts)
    return sum(
        count * len(epochs_of_round(number, rounds=rounds, epochs=epochs))
        for number, count in enumerate(before, start=1)
    )
