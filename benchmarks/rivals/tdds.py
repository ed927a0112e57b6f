"""TDDS: rows whose part in training varies most within windows of epochs (Zhang et al., CVPR 2024, arXiv 2311.13613).

From "Spanning training progress: temporal dual-depth scoring for enhanced dataset pruning", whose abstract and
published code are what we had. The first depth is how far a sample's prediction moves from one epoch to the next; the
second is how much these movements vary in a window of K epochs, the norm of their deviations from the window's mean.
The windows are averaged exponentially, the last one of the first T epochs with the weight 0.9, and the highest scores
are kept.

T and K depend on the share that is pruned. Of 200 epochs the authors name T = 90 and K = 10 where 30 % are pruned and
T = 10 and K = 5 where 90 % are (CIFAR-100). Ours: T is interpolated linearly between these shares of a run, K between
these shares of T, but T is never less than 6 epochs and K never less than 4, three movements.
"""

import numpy as np
from jaxtyping import Float, Float32

DECAY = 0.9
PRUNED, TRAJECTORY_SHARE, WINDOW_SHARE = (0.3, 0.9), (90 / 200, 10 / 200), (10 / 90, 5 / 10)
FEWEST_EPOCHS, SHORTEST_WINDOW = 6, 4


def trajectory_length(epochs: int, keep_ratio: float) -> int:
    """Return how many of a run's epochs are watched, T; never more than there are."""
    share = float(np.interp(1 - keep_ratio, PRUNED, TRAJECTORY_SHARE))
    return min(max(round(share * epochs), FEWEST_EPOCHS), epochs)


def window_length(watched: int, keep_ratio: float) -> int:
    """Return how many epochs are in a window, K; never more than are watched."""
    share = float(np.interp(1 - keep_ratio, PRUNED, WINDOW_SHARE))
    return min(max(round(share * watched), SHORTEST_WINDOW), watched)


def tdds_score(
    movements: Float32[np.ndarray, "steps samples"], *, epochs: int, keep_ratio: float
) -> Float[np.ndarray, " samples"]:
    """Return the score, given the movements between the ends of a run's epochs, one fewer than there are epochs."""
    watched = trajectory_length(epochs, keep_ratio)
    steps = window_length(watched, keep_ratio) - 1
    score = np.zeros(movements.shape[1])
    for start in range(watched - steps):
        window = movements[start : start + steps]
        variation = np.linalg.norm(window - window.mean(0), axis=0)
        score = DECAY * variation + (1 - DECAY) * score
    return score
