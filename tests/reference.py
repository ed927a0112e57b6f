"""Slow and obviously correct: plain Python for what ted_core does with arrays."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction


def warm_up(rounds: int) -> int:
    """The round after which pruning begins."""
    sixth = round(Fraction(rounds, 6))
    return min(max(2, sixth), rounds - 1)


def survivors(samples: int, kept: int, *, rounds: int) -> list[Fraction]:
    """The straight line from all samples to ``kept`` at the last round but one, not yet rounded to whole samples."""
    before = warm_up(rounds) - 1
    falling = rounds - 1 - before
    line = [samples - Fraction(step, falling) * (samples - kept) for step in range(1, falling + 1)]
    return [Fraction(samples)] * before + line + [Fraction(kept)]


def strongest(score: Sequence[float], count: int, *, labels: Sequence[int], class_floor: float) -> list[bool]:
    """First every class's own share, then the best of the rest one by one until there are ``count``."""
    best_first = sorted(range(len(score)), key=lambda sample: (-score[sample], sample))
    kept: set[int] = set()
    for label in set(labels):
        own = [sample for sample in best_first if labels[sample] == label]
        kept.update(own[: math.floor(class_floor * len(own))])
    for sample in best_first:
        if len(kept) < count:
            kept.add(sample)
    return [sample in kept for sample in range(len(score))]


def distance(performance: float, q: float) -> float:
    """a^q (1 - a)."""
    return math.pow(performance, q) * (1 - performance)


def mean(values: Sequence[float]) -> float:
    """The sum, without rounding on the way, over the number."""
    return math.fsum(values) / len(values)


@dataclass
class State:
    """What one round of pruning leaves behind."""

    retained: list[bool]
    mean_performance: list[float]
    last_round: list[int]


def progressive(
    performances: Sequence[Sequence[float]],
    counts: Sequence[int],
    *,
    q: float,
    labels: Sequence[int],
    class_floor: float = 0.0,
) -> Iterator[State]:
    """The bookkeeping of the loop, given what every round measured and how many samples it retains."""
    samples = len(labels)
    last_round = [0] * samples
    for number, count in enumerate(counts, start=1):
        so_far = [mean([measured[sample] for measured in performances[:number]]) for sample in range(samples)]
        score = [distance(performance, q) for performance in so_far]
        retained = strongest(score, count, labels=labels, class_floor=class_floor)
        last_round = [number if retained[sample] else last_round[sample] for sample in range(samples)]
        yield State(retained, so_far, last_round)


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities from logits."""
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]
