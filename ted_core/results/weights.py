"""The weights under which kept rows stand for all rows (Horvitz and Thompson 1952). Torch-free."""

import numpy as np
from jaxtyping import Bool, Float32

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
        inverse = 1 / np.maximum(inclusion_probability[kept].astype(np.float64), 1 / LARGEST_WEIGHT)
        weights[kept] = inverse / inverse.mean()
    return weights
