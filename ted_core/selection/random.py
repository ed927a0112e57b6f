"""Seeded random numbers for what scores alone do not decide."""

import numpy as np
from jaxtyping import Float, Float64

from ted_core.random_streams import Stream, stream_rng


def uniform_numbers(samples: int, *, seed: int, stream: Stream) -> Float64[np.ndarray, " samples"]:
    """One number between 0 and 1 for each sample."""
    return stream_rng(seed, stream).random(samples)


def tie_broken_ranks(score: Float[np.ndarray, " samples"], *, seed: int) -> Float64[np.ndarray, " samples"]:
    """Each sample's rank, 0 for the lowest score. Equal scores are ranked at random, not by row."""
    ties = uniform_numbers(len(score), seed=seed, stream=Stream.TIES)
    ranks = np.empty(len(score))
    ranks[np.lexsort((ties, score))] = np.arange(len(score))
    return ranks


def shuffle_within_levels(level: Float[np.ndarray, " samples"], *, seed: int) -> Float64[np.ndarray, " samples"]:
    """A priority for each sample: whole-numbered levels decide, and the order within a level is random."""
    return np.asarray(level + uniform_numbers(len(level), seed=seed, stream=Stream.ORDER_WITHIN_LEVELS))
