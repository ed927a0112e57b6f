"""Forgetting: how often a right prediction turns wrong again (Toneva et al. 2019, arXiv 1812.05159)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.common import Quota, final_round
from ted_core.selection.baselines.training_dynamics import Observation, observe
from ted_core.selection.execution import Execution
from ted_core.selection.random import tie_broken_ranks
from ted_core.selection.rounds import Round


def forgetting_score(observation: Observation) -> Float32[np.ndarray, " samples"]:
    """The number of forgetting events, or the number of epochs for samples that were never predicted rightly.

    The paper counts what was never learned as forgotten infinitely often; any number above all others ranks the same.
    """
    never = np.float32(observation.epochs)
    return np.where(observation.learned, observation.forgotten.astype(np.float32), never)


def by_forgetting(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> Iterator[Round]:
    """Keep the rows that are forgotten most often.

    Most rows tie, at no event or at one, and the paper does not say which of them go; here the seed decides at random.
    """
    observation = observe(samples, proxy, seed=plan.seed, device=execution.device, watch=execution.watch)
    score, quota = forgetting_score(observation), Quota.of(samples, plan)
    yield final_round(tie_broken_ranks(score, seed=plan.seed), quota, score=score, cost=observation.cost)
