"""Seeded lots: what decides among samples that nothing else tells apart."""

import numpy as np
from jaxtyping import Float, Float64

TIES, DRAWS = 100, 101
"""What these lots are for, beside the uses in ``ted_core.selection.twins``; part of every seed, so that no stream is shared."""


def uniform_numbers(samples: int, *, seed: int, use: int = TIES) -> Float64[np.ndarray, " samples"]:
    """One number between 0 and 1 for each sample."""
    return np.random.default_rng((seed, use)).random(samples)


def tie_broken_ranks(score: Float[np.ndarray, " samples"], *, seed: int) -> Float64[np.ndarray, " samples"]:
    """How many samples stand below each: 0 is the lowest score's place. Where scores tie, lots decide, not the row."""
    ranking = np.empty(len(score))
    ranking[np.lexsort((uniform_numbers(len(score), seed=seed), score))] = np.arange(len(score))
    return ranking
