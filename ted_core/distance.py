"""The internal generalization distance of every sample: how far a small change of the mask moves its performance.

Concepts from arXiv 2405.03228; the closed form is our construction. A small fluctuation of the mask moves the
parameters by dθ and a performance a = exp(-loss), measured on the Box-Cox scale a^q/q (the generalized cross-entropy of
Zhang and Sabuncu 2018, up to sign), by -a^q ∇loss·dθ. Taking the gradient in logit space, where softmax cross-entropy
gives the true label the component 1 - a, the first-order distance is a^q (1 - a).
"""

import numpy as np
from jaxtyping import Float


def distance(performance: Float[np.ndarray, " samples"], q: float) -> Float[np.ndarray, " samples"]:
    """s = a^q (1 - a) of each sample's mean out-of-sample performance a in [0, 1]; largest where a = q/(q + 1)."""
    return np.asarray(performance**q * (1 - performance))


def turning_point(q: float) -> float:
    """The performance with the largest distance: rows above it are pruned as redundant, rows below as hard."""
    return q / (q + 1)
