"""Rows drawn at random, of all or of every class; nothing is trained."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.selection.baselines.common import Quota, final_round, sample_per_group, top_rows
from ted_core.selection.execution import Execution
from ted_core.selection.random import uniform_numbers
from ted_core.selection.rounds import Round


def at_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Uniformly random rows, blind to classes but for the floor."""
    chance = np.random.default_rng(plan.seed).random(len(samples))
    yield final_round(chance, Quota.of(samples, plan))


def stratified_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Random rows of every class, as many as are its share."""
    quota = Quota.of(samples, plan)
    yield final_round(stratified_priority(quota), quota)


def stratified_rows(quota: Quota) -> Bool[np.ndarray, " samples"]:
    """``quota.count`` samples, of every class its share by largest remainder, which of them by lot.

    A class floor above a share's rounding is kept at the expense of other classes, again by lot.
    """
    return top_rows(stratified_priority(quota), quota)


def stratified_priority(quota: Quota) -> Float64[np.ndarray, " samples"]:
    """Lots, those of every class's share above the others."""
    _, group, sizes = np.unique(quota.labels, return_inverse=True, return_counts=True)
    drawn = sample_per_group(group, proportional_shares(sizes, quota.count), seed=quota.seed)
    return np.asarray(drawn + uniform_numbers(len(drawn), seed=quota.seed))


def proportional_shares(sizes: Int64[np.ndarray, " classes"], count: int) -> Int64[np.ndarray, " classes"]:
    """``count`` divided in proportion to the sizes: the whole parts, then one more for the largest remainders.

    Hamilton's method, in whole numbers so that rounding plays no part; of equal remainders the earlier comes first.
    """
    whole, remainder = np.divmod(sizes * count, sizes.sum())
    most = np.argsort(-remainder, kind="stable")[: count - int(whole.sum())]
    whole[most] += 1
    return whole
