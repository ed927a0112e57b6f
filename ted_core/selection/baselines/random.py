"""Random rows, of all rows or of every class; nothing is trained."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import Stream
from ted_core.selection.baselines.common import Quota, final_round, sample_per_group, top_rows
from ted_core.selection.execution import Execution
from ted_core.selection.random import shuffle_within_levels, uniform_numbers
from ted_core.selection.rounds import Round


def at_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Keep uniformly random rows, whatever their class, except for the class floor."""
    priority = uniform_numbers(len(samples), seed=plan.seed, stream=Stream.UNIFORM_SAMPLING)
    yield final_round(priority, Quota.of(samples, plan))


def stratified_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Keep random rows of every class, in proportion to its size."""
    quota = Quota.of(samples, plan)
    yield final_round(stratified_priority(quota), quota)


def stratified_rows(quota: Quota) -> Bool[np.ndarray, " samples"]:
    """Select ``quota.count`` samples at random, of every class its share by the largest remainder method.

    A class floor above the rounded share is met at the expense of other classes, again at random.
    """
    return top_rows(stratified_priority(quota), quota)


def stratified_priority(quota: Quota) -> Float64[np.ndarray, " samples"]:
    """A priority for each sample: those of every class's share before the others, otherwise at random."""
    _, group, sizes = np.unique(quota.labels, return_inverse=True, return_counts=True)
    sampled = sample_per_group(group, proportional_shares(sizes, quota.count), seed=quota.seed)
    return shuffle_within_levels(sampled.astype(float), seed=quota.seed)


def proportional_shares(sizes: Int64[np.ndarray, " classes"], count: int) -> Int64[np.ndarray, " classes"]:
    """Divide ``count`` in proportion to the sizes: the whole parts, then one more for the largest remainders.

    This is Hamilton's method, in integers so that rounding plays no part; of equal remainders the earlier comes first.
    """
    whole, remainder = np.divmod(sizes * count, sizes.sum())
    largest = np.argsort(-remainder, kind="stable")[: count - int(whole.sum())]
    whole[largest] += 1
    return whole
