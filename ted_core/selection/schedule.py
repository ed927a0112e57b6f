"""How many samples each round retains."""

from collections.abc import Sequence

WARM_UP_ROUNDS, WARM_UP_SHARE = 2, 1 / 6
FEWEST_ROUNDS = 3
LOOP_SHARE = 1 / 3
EPOCHS_PER_ROUND = 2
"""More rounds measure more often, which costs time and was worth nothing."""
FIRST_MEASURED = 2


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
