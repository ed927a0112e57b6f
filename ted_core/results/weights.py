"""The weights under which kept rows stand for all rows (Horvitz and Thompson 1952). Torch-free."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float32, Float64

from ted_core.selection.sampling.parts import parts

LARGEST_WEIGHT = 10.0
"""Of 1/π, before it is normalised: one row that was hardly ever to be kept must not outweigh all others."""


def weights_of_rows(
    kept: Bool[np.ndarray, " rows"], inclusion_probability: Float32[np.ndarray, " rows"] | None
) -> Float32[np.ndarray, " rows"]:
    """Every row's weight: 1/π, truncated, in units of its mean over the kept rows; 0 for pruned rows.

    The weighted mean loss of the kept rows estimates the mean loss of all rows, up to the truncation. Kept rows all
    have the weight 1 if chance had no part in it.
    """
    weights = kept.astype(np.float32)
    if inclusion_probability is not None and kept.any():
        mean = mean_inverse(inclusion_probability[part][kept[part]] for part in parts(len(kept)))
        for part in parts(len(kept)):
            weights[part][kept[part]] = truncated_inverse(inclusion_probability[part][kept[part]]) / mean
    return weights


def truncated_inverse(probability: Float32[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """1/π of each row, or what it is truncated to."""
    return 1 / np.maximum(probability.astype(np.float64), 1 / LARGEST_WEIGHT)


def mean_inverse(kept: Iterable[Float32[np.ndarray, " some"]]) -> float:
    """The mean truncated 1/π of kept rows, whose probabilities come a part at a time; 1 if there are none."""
    total, rows = 0.0, 0
    for probability in kept:
        total, rows = total + float(truncated_inverse(probability).sum()), rows + len(probability)
    return total / rows if rows else 1.0
