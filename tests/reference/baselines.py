"""Slow and obviously correct: the rivals' scores and draws, from their papers' words, one sample at a time."""

import itertools
import math
import statistics
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tests.reference import ted


def margin(probabilities: Sequence[float], label: int) -> float:
    """The true label's probability less the best of the others."""
    return probabilities[label] - max(p for index, p in enumerate(probabilities) if index != label)


def error_norm(probabilities: Sequence[float], label: int) -> float:
    """The length of probabilities minus one-hot."""
    return math.dist(probabilities, [float(index == label) for index in range(len(probabilities))])


def error_norms(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """``error_norm`` of every sample, each sent through the model alone."""
    alone = [ted.softmax(model(sample[None])[0].tolist()) for sample in inputs]
    return torch.tensor([error_norm(one, label) for one, label in zip(alone, labels.tolist(), strict=True)])


def gradient_norms(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """One backward pass for each sample."""
    norms = []
    for sample, label in zip(inputs, labels, strict=True):
        model.zero_grad()
        cross_entropy(model(sample[None]), label[None]).backward()
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None)))
    return torch.tensor(norms)


def forgetting(right: Sequence[bool]) -> int:
    """Events of one sample's history, or the number of its epochs where it was never right."""
    return sum(before and not after for before, after in itertools.pairwise(right)) if any(right) else len(right)


def dual(probabilities: Sequence[float], window: int) -> float:
    """The mean over every window of one sample's history of (1 - mean) x sample deviation."""
    windows = [probabilities[first : first + window] for first in range(len(probabilities) - window + 1)]
    return statistics.fmean((1 - statistics.fmean(seen)) * statistics.stdev(seen) for seen in windows)


def beta_density(x: float, alpha: float, beta: float) -> float:
    """The density of the Beta distribution."""
    return math.gamma(alpha + beta) / (math.gamma(alpha) * math.gamma(beta)) * x ** (alpha - 1) * (1 - x) ** (beta - 1)


def dual_weight(score: float, probability: float, *, anchor: float, pruned: float) -> float:
    """Score x Beta density, with the published constants written out."""
    beta = 15 * (1 - anchor) * (1 - pruned**4)
    return score * beta_density(probability, 16 - beta, beta)


def inclusion(weights: Sequence[float], count: int) -> list[float]:
    """Each sample's chance to be among ``count`` drawn one after the other, over every order of drawing."""
    chances = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), count):
        left, chance = math.fsum(weights), 1.0
        for sample in order:
            chance *= weights[sample] / left
            left -= weights[sample]
        for sample in order:
            chances[sample] += chance
    return chances


def largest_remainder(sizes: Sequence[int], count: int) -> list[int]:
    """Whole parts of the exact quotas, then one more where the remainder is largest."""
    quotas = [Fraction(size * count, sum(sizes)) for size in sizes]
    seats = [math.floor(quota) for quota in quotas]
    for place in sorted(range(len(sizes)), key=lambda place: (seats[place] - quotas[place], place)):
        seats[place] += sum(seats) < count
    return seats


def stratum(score: float, low: float, high: float) -> int:
    """Which of fifty equal intervals between the extremes holds the score; the top belongs to the last."""
    edges = [low + (high - low) * edge / 50 for edge in range(1, 50)]
    return sum(score >= edge for edge in edges) if high > low else 0


def coverage_budgets(sizes: Sequence[int], count: int) -> list[int]:
    """CCS, algorithm 1: the smallest stratum that is left gives all it has, but no more than an even share."""
    left, granted = dict(enumerate(sizes)), [0] * len(sizes)
    while left:
        smallest = min(left, key=lambda index: left[index])
        granted[smallest] = min(left[smallest], math.floor(Fraction(count, len(left))))
        count -= granted[smallest]
        del left[smallest]
    return granted
