"""Slow and obviously correct: plain Python for what ted_core does with arrays."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ted_core.random_streams import Stream, stream_rng


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
        kept.update(own[: math.floor(round(class_floor * len(own), 9))])
    for sample in best_first:
        if len(kept) < count:
            kept.add(sample)
    return [sample in kept for sample in range(len(score))]


def balanced(score: Sequence[float], count: int, *, labels: Sequence[int], class_floor: float) -> list[bool]:
    """Every class's best, as many as Hamilton gives it, none fewer than its floor."""
    classes = sorted(set(labels), key=labels.index)
    quota = {label: Fraction(labels.count(label) * count, len(labels)) for label in classes}
    floor = {label: math.floor(round(class_floor * labels.count(label), 9)) for label in classes}
    seats = {label: max(math.floor(quota[label]), floor[label]) for label in classes}
    for label in sorted(classes, key=lambda label: seats[label] - quota[label]):
        seats[label] += sum(seats.values()) < count
    kept: set[int] = set()
    for label in classes:
        own = [sample for sample in range(len(score)) if labels[sample] == label]
        kept.update(sorted(own, key=lambda sample: (-score[sample], sample))[: seats[label]])
    return [sample in kept for sample in range(len(score))]


def distance(performance: float, q: float) -> float:
    """a^q (1 - a), with a kept from 0 and 1."""
    a = min(max(performance, 1e-4), 1 - 1e-4)
    return math.pow(a, q) * (1 - a)


def low_discrepancy_numbers(labels: Sequence[int], performance: Sequence[float], *, seed: int) -> list[float]:
    """The golden-ratio sequence along the samples in order of class, then of 4,096 steps from -1 to 1, then of row."""
    start = stream_rng(seed, Stream.POISSON_SAMPLING).random()
    numbers = [0.0] * len(labels)
    steps = [min(math.floor((one + 1) * 2048), 4095) for one in performance]
    order = sorted(range(len(labels)), key=lambda sample: (labels[sample], steps[sample], sample))
    for place, sample in enumerate(order):
        numbers[sample] = max(math.fmod(place * (math.sqrt(5) - 1) / 2 + start, 1), 1e-12)
    return numbers


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
    score: Callable[[Sequence[float]], Sequence[float]],
    order: Callable[[Sequence[float]], Sequence[float]],
    labels: Sequence[int],
    class_floor: float = 0.0,
    seed: int = 0,
) -> Iterator[State]:
    """The bookkeeping of the loop, given what each measurement found and how many samples every round retains.

    ``score`` is that of all samples, given their mean performance, and ``order`` what it is a function of; before a
    measurement all are worth the same.

    There is a measurement after every round but the first.
    """
    samples = len(labels)
    last_round, taken, so_far = [0] * samples, 0, [0.0] * samples
    for number, count in enumerate(counts, start=1):
        if number > 1:
            taken += 1
            so_far = [mean([performance[sample] for performance in performances[:taken]]) for sample in range(samples)]
        numbers = low_discrepancy_numbers(labels, order(so_far) if taken else so_far, seed=seed)
        worth = score(so_far) if taken else [1.0] * samples
        priority = [one / number for one, number in zip(worth, numbers, strict=True)]
        retained = strongest(priority, count, labels=labels, class_floor=class_floor)
        last_round = [number if retained[sample] else last_round[sample] for sample in range(samples)]
        yield State(retained, so_far if taken else [math.nan] * samples, last_round)


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities from logits."""
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]


def margin(probabilities: Sequence[float], right: int) -> float:
    """The probability of what is right minus the largest of anything else."""
    return probabilities[right] - max(p for option, p in enumerate(probabilities) if option != right)


def inclusion_probabilities(score: Sequence[float], count: int) -> list[float]:
    """min(1, c·score) that add up to ``count``, with c found by halving."""
    low, high = 0.0, len(score) / min(score)
    for _ in range(200):
        c = (low + high) / 2
        low, high = (c, high) if math.fsum(min(1, c * one) for one in score) < count else (low, c)
    return [min(1, high * one) for one in score]
