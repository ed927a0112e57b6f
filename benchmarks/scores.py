"""Name → one number per training sample, measured on all of them: what methods rank by, before any quota or draw."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from benchmarks.fresh import trained
from benchmarks.ground import Ground
from ted_core.baselines.ccs import aum_score
from ted_core.baselines.dual import dual_score
from ted_core.baselines.early import EarlyScores
from ted_core.baselines.forgetting import forgetting_score
from ted_core.batches import Table
from ted_core.plan import PruningPlan, Score
from ted_core.pruning import prune
from ted_core.rounds import Round

Scores = Float[np.ndarray, " samples"]
NEXT_TO_ALL = 0.999
"""A keep ratio at which the loop prunes next to nothing: its twins train on halves of all samples to the end."""


def unpruned(ground: Ground, score: Score, *, rounds: int | None = None) -> Round:
    """The last round of TED with q = 1 on all samples; as many rounds as the service takes where left out."""
    plan = PruningPlan(keep_ratio=NEXT_TO_ALL, q=1.0, score=score, rounds=rounds, seed=ground.seed)
    *_, final = prune(ground.train, plan, proxy=ground.proxy)
    return final


def loss(ground: Ground) -> Scores:
    """Under a model that has trained on everything."""
    everything = np.arange(len(ground.train))
    proxy = ground.proxy.resolved()
    fitted = trained(ground.train, [everything] * proxy.epochs, proxy=proxy, seed=ground.seed)
    table = Table(ground.train, scaling=fitted.scaling)
    tiny = np.finfo(np.float32).tiny
    return np.asarray(-np.log(np.maximum(fitted.trainee.performance(table, everything), tiny)))


def in_sample(ground: Ground) -> Scores:
    """a (1 - a) of a model that trains on the samples themselves, a its mean performance over the epochs."""
    performance = ground.observation.value.probability
    return np.asarray(performance * (1 - performance))


def _first(found: EarlyScores) -> Scores:
    (score,) = found.scores
    return np.asarray(score)


ESTIMATES: Mapping[str, Callable[[Ground], Scores]] = {
    "loss": loss,
    "EL2N": lambda ground: _first(ground.error_norms.value),
    "GraNd": lambda ground: _first(ground.gradient_norms.value),
    "forgetting": lambda ground: forgetting_score(ground.observation.value),
    "DUAL": lambda ground: dual_score(ground.observation.value),
    "a (1 - a), in-sample": in_sample,
    "ted, logit: a (1 - a)": lambda ground: unpruned(ground, "logit").score,
    "ted, logit, twice as long": lambda ground: unpruned(ground, "logit", rounds=ground.epochs).score,
    "ted, parameter": lambda ground: unpruned(ground, "parameter").score,
}
"""Of how much a sample's performance depends on which others are pruned."""

SUSPICIONS: Mapping[str, Callable[[Ground], Scores]] = {
    "loss": loss,
    "EL2N": lambda ground: _first(ground.error_norms.value),
    "GraNd": lambda ground: _first(ground.gradient_norms.value),
    "forgetting": lambda ground: forgetting_score(ground.observation.value),
    "AUM, negative": lambda ground: -aum_score(ground.observation.value),
    "1 - a, in-sample": lambda ground: 1 - ground.observation.value.probability,
    "ted: 1 - internal generalization": lambda ground: 1 - unpruned(ground, "logit").internal_generalization,
}
"""The higher, the likelier the label is wrong."""
