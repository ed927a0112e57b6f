"""Scores by name, one number for each training sample: what methods rank by, before any quota or draw."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from benchmarks.fresh import trained
from benchmarks.ground import Ground
from ted_core.plan import PruningPlan, ScoreName
from ted_core.proxies import resolve_proxy
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.baselines.ccs import aum_score
from ted_core.selection.baselines.dual import dual_score
from ted_core.selection.baselines.early import EarlyScores
from ted_core.selection.baselines.forgetting import forgetting_score
from ted_core.selection.distance import distance
from ted_core.selection.prune import prune
from ted_core.selection.rounds import Round

Scores = Float[np.ndarray, " samples"]
NEXT_TO_ALL = 0.999
"""A keep ratio at which the loop prunes next to nothing: its twins train on halves of all samples to the end."""


def unpruned(ground: Ground, score: ScoreName, *, rounds: int | None = None) -> Round:
    """Return the last round of TED with q = 1 on all samples; with as many rounds as the service takes if not given."""
    plan = PruningPlan(keep_ratio=NEXT_TO_ALL, q=1.0, score=score, rounds=rounds, seed=ground.seed)
    *_, final = prune(ground.train, plan, proxy=ground.proxy)
    return final


def both_performances(ground: Ground) -> Scores:
    """Return the mean performance of the twin that trained on a sample and the one that did not."""
    twins, everything = ground.twins, np.arange(len(ground.train))
    return np.asarray(np.mean([one.performance(twins.table, everything) for one in twins.trainers], axis=0), float)


def both_in_logits(ground: Ground) -> Scores:
    """Return a (1 - a) of both twins' mean performance."""
    return distance(both_performances(ground), 1.0)


def both_in_parameters(ground: Ground) -> Scores:
    """Return both twins' mean performance times their mean gradient norm, in the metric of their own samples."""
    twins, everything = ground.twins, np.arange(len(ground.train))
    norms = [
        trainer.gradient_norm(
            twins.table,
            everything,
            curvature_rows=np.flatnonzero(~fold),
            rng=stream_rng(ground.seed, Stream.TWIN_CURVATURE, twin),
        )
        for twin, (trainer, fold) in enumerate(zip(twins.trainers, twins.folds, strict=True))
    ]
    return np.asarray(both_performances(ground) * np.mean(norms, axis=0))


def loss(ground: Ground) -> Scores:
    """Return the loss under a model that has trained on everything."""
    everything = np.arange(len(ground.train))
    proxy = resolve_proxy(ground.proxy)
    fitted = trained(ground.train, [everything] * proxy.training.epochs, proxy=proxy, seed=ground.seed)
    table = fitted.table
    tiny = np.finfo(np.float32).tiny
    return np.asarray(-np.log(np.maximum(fitted.trainer.performance(table, everything), tiny)))


def in_sample(ground: Ground) -> Scores:
    """Return a (1 - a) of a model that trains on the samples themselves; a is its mean performance over the epochs."""
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
    "ted, parameter, twice as long": lambda ground: unpruned(ground, "parameter", rounds=ground.epochs).score,
    "both twins, logit": both_in_logits,
    "both twins, parameter": both_in_parameters,
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
