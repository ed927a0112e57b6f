"""How many samples each round retains, and how the highest scores are selected."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64

WARM_UP_ROUNDS, WARM_UP_SHARE = 2, 1 / 6
FEWEST_ROUNDS = 3
LOOP_SHARE = 1 / 2
MEASURED_EVERY = 2
EXACT = 9
"""Decimals that a product is rounded to: 0.29 of 100 is 29, though in binary it falls short of that."""


def warm_up(rounds: int) -> int:
    """The round after which pruning begins: the second, or a sixth of all, but never later than the last but one."""
    return min(max(WARM_UP_ROUNDS, round(WARM_UP_SHARE * rounds)), rounds - 1)


def loop_epochs(epochs: int) -> int:
    """The epochs that twins train for if the proxy itself has this many: enough to measure every sample."""
    return min(epochs, max(FEWEST_ROUNDS, round(LOOP_SHARE * epochs)))


def is_measured(number: int, *, rounds: int) -> bool:
    """Whether samples are measured after this round: every other round, and always the last."""
    return (rounds - number) % MEASURED_EVERY == 0


def retained_counts(samples: int, kept: int, *, rounds: int) -> list[int]:
    """The number of samples retained after each round.

    It stays at all samples for the warm-up, then decreases linearly to ``kept``, which it reaches one round before the
    end.

    ``rounds`` is at least 2. The last round trains on ``kept`` samples and selects as many once more.
    """
    first = warm_up(rounds)
    shares = [min(max((number - first + 1) / (rounds - first), 0.0), 1.0) for number in range(1, rounds + 1)]
    return [samples - round(share * (samples - kept)) for share in shares]


def select_highest(
    score: Float[np.ndarray, " samples"], count: int, *, labels: Int64[np.ndarray, " samples"], class_floor: float
) -> Bool[np.ndarray, " samples"]:
    """Select the ``count`` highest scores, after every class has got the floor's share of its own size (rounded down).

    The floors come first: if they alone exceed ``count``, they are what is retained. Ties go to the earlier sample.
    """
    order = np.argsort(-score, kind="stable")
    mask = np.zeros(len(score), bool)
    mask[_floor_rows(order, labels, class_floor)] = True
    rest = order[~mask[order]]
    mask[rest[: max(count - int(mask.sum()), 0)]] = True
    return mask


def _floor_rows(
    order: Int64[np.ndarray, " samples"], labels: Int64[np.ndarray, " samples"], share: float
) -> Int64[np.ndarray, " rows"]:
    """Each class's best rows, as many as the floor gives it."""
    if not share:
        return order[:0]
    ranked = labels[order]
    classes, sizes = np.unique(labels, return_counts=True)
    floors = np.floor(np.round(share * sizes, EXACT)).astype(int)
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
