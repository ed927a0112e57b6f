"""DUAL: rows that are difficult and uncertain early in training; easier ones the fewer are kept (Cho et al. 2025).

From "Lightweight dataset pruning without full training via example difficulty and prediction uncertainty", arXiv
2502.06905. With p the probability of the true label after each of the first T epochs,

    score = mean over the windows of J consecutive epochs of (1 - mean p) x std p,

the deviation with J - 1 in the denominator; T = 30 of 200 epochs and J = 10, which
``ted_core.selection.baselines.training_dynamics`` scales to shorter runs. Samples are then drawn without replacement,
in proportion to score x the density at the mean p over the T epochs of Beta(C + 1 - b, b), where b =
C (1 - m) (1 - r^c): r is the share that is pruned, m the mean p of the ten highest scores, C = 15, and c = 4, the
default of the authors' published code, which lets c be set for each dataset.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.baselines.common import Quota, final_round, top_rows
from ted_core.selection.baselines.training_dynamics import Observation, dual_epochs, observe
from ted_core.selection.execution import Execution
from ted_core.selection.rounds import Round

SPREAD, EXPONENT, ANCHORS = 15, 4, 10
"""C, c and the number of highest scores in the text above."""
SMALLEST_SCORE, NEAREST_TO_CERTAIN = 1e-300, 1e-7
"""A score of zero is drawn only once nothing else is left; the density at p = 0 or 1 may be infinite."""


def dual_score(observation: Observation) -> Float32[np.ndarray, " samples"]:
    """Difficulty x uncertainty, mean over the windows."""
    return observation.dual


def beta_shape(anchor: float, keep_ratio: float) -> tuple[float, float]:
    """The two parameters of the Beta density; it moves from mean p = ``anchor`` to 1 as fewer are kept."""
    second = SPREAD * (1 - anchor) * (1 - (1 - keep_ratio) ** EXPONENT)
    return SPREAD + 1 - second, second


def log_weights(
    score: Float[np.ndarray, " samples"], probability: Float[np.ndarray, " samples"], keep_ratio: float
) -> Float64[np.ndarray, " samples"]:
    """The logarithm of each sample's weight in the draw, up to a constant; ``probability`` is the mean over T."""
    anchors = np.argsort(score, kind="stable")[-ANCHORS:]
    first, second = beta_shape(float(probability[anchors].mean()), keep_ratio)
    p = np.clip(probability.astype(float), NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    weight = np.log(np.maximum(score.astype(float), SMALLEST_SCORE))
    return np.asarray(weight + (first - 1) * np.log(p) + (second - 1) * np.log1p(-p))


def dual_rows(
    score: Float[np.ndarray, " samples"], probability: Float[np.ndarray, " samples"], quota: Quota
) -> Bool[np.ndarray, " samples"]:
    """Select ``quota.count`` samples, drawn one after the other in proportion to their weights."""
    return top_rows(dual_priority(score, probability, quota), quota)


def dual_priority(
    score: Float[np.ndarray, " samples"], probability: Float[np.ndarray, " samples"], quota: Quota
) -> Float64[np.ndarray, " samples"]:
    """Log weight + Gumbel noise: the highest are such a draw (Kool et al. 2019, arXiv 1903.06059)."""
    noise = stream_rng(quota.seed, Stream.WEIGHTED_SAMPLING).gumbel(size=len(score))
    return log_weights(score, probability, quota.keep_ratio) + noise


def by_difficulty_and_uncertainty(
    samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution
) -> Iterator[Round]:
    """Run DUAL: observe the first epochs only, then draw."""
    epochs = dual_epochs(proxy.training.epochs)
    observation = observe(samples, proxy, seed=plan.seed, device=execution.device, epochs=epochs, watch=execution.watch)
    score, quota = dual_score(observation), Quota.of(samples, plan)
    priority = dual_priority(score, observation.dual_probability, quota)
    yield final_round(priority, quota, score=score, cost=observation.cost)
