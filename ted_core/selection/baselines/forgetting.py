"""Forgetting: how often what was right turns wrong again (Toneva et al. 2019, arXiv 1812.05159)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.common import Quota, final_round
from ted_core.selection.execution import Execution
from ted_core.selection.random import tie_broken_ranks
from ted_core.selection.rounds import Round
from ted_core.selection.training_dynamics import Observation, observe


def forgetting_score(observation: Observation) -> Float32[np.ndarray, " samples"]:
    """The number of forgetting events; for a sample that was never right the number of epochs, more than any other.

    The paper counts what was never learned as forgotten infinitely often; a finite number orders the same way.
    """
    never = np.float32(observation.epochs)
    return np.where(observation.learned, observation.forgotten.astype(np.float32), never)


def by_forgetting(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, execution: Execution) -> Iterator[Round]:
    """Keep the rows that are forgotten most often.

    Most rows tie, at no event or at one, and the paper does not say which of them go: lots do, drawn from the seed.
    """
    observation = observe(samples, proxy, seed=plan.seed, device=execution.device, watch=execution.watch)
    score = forgetting_score(observation)
    yield final_round(
        tie_broken_ranks(score, seed=plan.seed), Quota.of(samples, plan), score=score, effort=observation.cost
    )
