"""Scores by name, one number for each training sample: what methods rank by, before any quota or draw."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from benchmarks.fresh_models import train_fresh_model
from benchmarks.setting import SettingData
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
ALMOST_ALL = 0.999
"""A keep ratio at which the loop prunes almost nothing: its twins train on halves of all samples to the end."""


def last_unpruned_round(data: SettingData, score: ScoreName = "probability", *, rounds: int | None = None) -> Round:
    """Return the last round of TED on all samples, with q = 1 if the score has an exponent.

    It takes as many rounds as the service does if not given.
    """
    q = None if score == "margin" else 1.0
    plan = PruningPlan(keep_ratio=ALMOST_ALL, q=q, score=score, rounds=rounds, seed=data.seed)
    *_, final = prune(data.train, plan, proxy=data.proxy)
    return final


def _margin(final: Round) -> Scores:
    assert final.margin is not None, "the loop measures margins"  # noqa: S101
    return final.margin


def both_performances(data: SettingData) -> Scores:
    """Return the mean performance of the twin that trained on a sample and the one that did not."""
    twins, everything = data.twins, np.arange(len(data.train))
    performances = [trainer.performance(twins.table, everything) for trainer in twins.trainers.values()]
    return np.asarray(np.mean(performances, axis=0), float)


def both_in_logits(data: SettingData) -> Scores:
    """Return a (1 - a) of both twins' mean performance."""
    return distance(both_performances(data), 1.0)


def both_in_parameters(data: SettingData) -> Scores:
    """Return both twins' mean performance times their mean gradient norm, in the metric of their own samples."""
    twins, everything = data.twins, np.arange(len(data.train))
    norms = [
        trainer.gradient_norm(
            twins.table,
            everything,
            curvature_rows=np.flatnonzero(~fold),
            rng=stream_rng(data.seed, Stream.TWIN_CURVATURE, twin),
        )
        for twin, (trainer, fold) in enumerate(zip(twins.trainers.values(), twins.folds, strict=True))
    ]
    return np.asarray(both_performances(data) * np.mean(norms, axis=0))


def loss(data: SettingData) -> Scores:
    """Return the loss under a model that has trained on everything."""
    everything = np.arange(len(data.train))
    proxy = resolve_proxy(data.proxy)
    fitted = train_fresh_model(data.train, [everything] * proxy.training.epochs, proxy=proxy, seed=data.seed)
    table = fitted.table
    tiny = np.finfo(np.float32).tiny
    return np.asarray(-np.log(np.maximum(fitted.trainer.performance(table, everything), tiny)))


def in_sample(data: SettingData) -> Scores:
    """Return a (1 - a) of a model that trains on the samples themselves; a is its mean performance over the epochs."""
    performance = data.observation.value.probability
    return np.asarray(performance * (1 - performance))


def _only_score(early: EarlyScores) -> Scores:
    (score,) = early.scores
    return np.asarray(score)


ESTIMATES: Mapping[str, Callable[[SettingData], Scores]] = {
    "loss": loss,
    "EL2N": lambda data: _only_score(data.error_norms.value),
    "GraNd": lambda data: _only_score(data.gradient_norms.value),
    "forgetting": lambda data: forgetting_score(data.observation.value),
    "DUAL": lambda data: dual_score(data.observation.value),
    "a (1 - a), in-sample": in_sample,
    "ted, margin": lambda data: last_unpruned_round(data, "margin").score,
    "ted, margin, all epochs": lambda data: last_unpruned_round(data, "margin", rounds=data.epochs).score,
    "ted, probability: a (1 - a)": lambda data: last_unpruned_round(data, "probability").score,
    "ted, probability, all epochs": lambda data: last_unpruned_round(data, "probability", rounds=data.epochs).score,
    "ted, parameter": lambda data: last_unpruned_round(data, "parameter").score,
    "ted, parameter, all epochs": lambda data: last_unpruned_round(data, "parameter", rounds=data.epochs).score,
    "both twins, probability": both_in_logits,
    "both twins, parameter": both_in_parameters,
}
"""Of how much a sample's performance depends on which others are pruned."""

SUSPICIONS: Mapping[str, Callable[[SettingData], Scores]] = {
    "loss": loss,
    "EL2N": lambda data: _only_score(data.error_norms.value),
    "GraNd": lambda data: _only_score(data.gradient_norms.value),
    "forgetting": lambda data: forgetting_score(data.observation.value),
    "AUM, negative": lambda data: -aum_score(data.observation.value),
    "1 - a, in-sample": lambda data: 1 - data.observation.value.probability,
    "ted: 1 - internal generalization": lambda data: 1 - last_unpruned_round(data).internal_generalization,
    "ted: -margin": lambda data: -_margin(last_unpruned_round(data)),
}
"""The higher, the likelier the label is wrong."""
