"""The internal generalization distance of every sample: how far a small change of the mask moves its performance.

Concepts from the abstract of arXiv 2405.03228; the closed form is our construction. A small fluctuation of the mask
moves the parameters by dθ and a performance a = exp(-loss), measured on the Box-Cox scale a^q/q (the generalized
cross-entropy of Zhang and Sabuncu 2018, up to sign), by -a^q ∇loss·dθ. The gradient is taken in logit space, where that
of softmax cross-entropy has the component 1 - a for the true label; to first order the distance is then a^q (1 - a).
"""

import numpy as np
from jaxtyping import Float

RESOLUTION = 1e-4
"""Performances closer to 0 or 1 than this are treated alike, so that every sample may be retained."""


def distance(performance: Float[np.ndarray, " samples"], q: float) -> Float[np.ndarray, " samples"]:
    """s = a^q (1 - a) of each sample's mean out-of-sample performance a in [0, 1]; largest where a = q/(q + 1)."""
    a = clip_performance(performance)
    return np.asarray(a**q * (1 - a))


def clip_performance(performance: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " samples"]:
    """Clip the performances to between RESOLUTION and 1 - RESOLUTION."""
    return np.asarray(np.clip(performance, RESOLUTION, 1 - RESOLUTION))


def turning_point(q: float) -> float:
    """The performance with the largest distance: rows above it are pruned as redundant, rows below as hard."""
    return q / (q + 1)
