"""CCS: drop the hardest, then sample evenly over the range of the scores (Zheng et al. 2023, arXiv 2210.15809).

The score is the paper's AUM: the margin between the probability of the true label and the largest other one, over all
epochs of one training run. (AUM as first published, Pleiss et al. 2020, arXiv 2001.10528, takes the margin of logits;
CCS as its authors published it takes that of probabilities.) A low score is hard. The mean over the epochs stands for
the sum, which changes neither order nor strata.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.common import Quota, final_round, sample_per_group, top_rows
from ted_core.selection.baselines.training_dynamics import Observation, observe
from ted_core.selection.execution import Execution
from ted_core.selection.random import shuffle_within_levels, tie_broken_ranks
from ted_core.selection.rounds import Round

STRATA = 50
PRUNED, CUT = (0.3, 0.5, 0.7, 0.8, 0.9), (0.0, 0.0, 0.1, 0.1, 0.3)
"""The paper's share of hardest samples to cut at each pruning rate, from its table for CIFAR-10 (appendix B)."""


def aum_score(observation: Observation) -> Float32[np.ndarray, " samples"]:
    """The mean margin over the epochs; low is hard."""
    return observation.margin


def hardest_share(keep_ratio: float) -> float:
    """The share of hardest samples that is cut before sampling, beta in the paper.

    It is interpolated linearly between the paper's values for CIFAR-10 and constant beyond them, for every dataset. The
    paper tunes beta for each dataset, by results that are not available to those who want to save training.
    """
    return float(np.interp(1 - keep_ratio, PRUNED, CUT))


def hardest(aum: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """The samples that are cut: beta n of the lowest scores, rounded, but only so many that enough are left."""
    cut = min(round(hardest_share(quota.keep_ratio) * len(aum)), len(aum) - quota.count)
    return np.asarray(tie_broken_ranks(aum, seed=quota.seed) < cut)


def ccs_rows(aum: Float[np.ndarray, " samples"], quota: Quota) -> Bool[np.ndarray, " samples"]:
    """Select ``quota.count`` samples: none of the hardest, the others by stratum as in the paper's algorithm 1.

    Only a class floor may need others: it takes sampled rows first, and the hardest last.
    """
    return top_rows(ccs_priority(aum, quota), quota)


def ccs_priority(aum: Float[np.ndarray, " samples"], quota: Quota) -> Float64[np.ndarray, " samples"]:
    """A priority for each sample: sampled ones before the others, the hardest last, otherwise at random."""
    left = ~hardest(aum, quota)
    stratum = strata(aum[left])
    budget = budgets(np.bincount(stratum, minlength=STRATA), quota.count)
    sampled = np.zeros(len(aum), bool)
    sampled[left] = sample_per_group(stratum, budget, seed=quota.seed)
    return shuffle_within_levels(left.astype(float) + sampled, seed=quota.seed)


def strata(score: Float[np.ndarray, " samples"]) -> Int64[np.ndarray, " samples"]:
    """Each sample's stratum of fifty that are equally wide between the lowest score and the highest."""
    low, high = score.min().astype(float), score.max().astype(float)
    position = (score - low) / max(high - low, np.finfo(float).tiny)
    return np.asarray(np.minimum((position * STRATA).astype(np.int64), STRATA - 1))


def budgets(sizes: Int64[np.ndarray, " strata"], count: int) -> Int64[np.ndarray, " strata"]:
    """How many samples each stratum gives, the smallest first: an even share of what is still needed, or all it has."""
    granted = np.zeros_like(sizes)
    for turn, stratum in enumerate(np.argsort(sizes, kind="stable")):
        granted[stratum] = min(sizes[stratum], (count - granted.sum()) // (len(sizes) - turn))
    return granted


def by_coverage(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> Iterator[Round]:
    """Run CCS: keep rows of every difficulty except the hardest."""
    observation = observe(samples, proxy, seed=plan.seed, device=execution.device, watch=execution.watch)
    score, quota = aum_score(observation), Quota.of(samples, plan)
    yield final_round(ccs_priority(score, quota), quota, score=score, cost=observation.cost)
