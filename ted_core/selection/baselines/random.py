"""Random rows, of all rows or of every class; nothing is trained."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import Stream
from ted_core.selection.baselines.common import Quota, final_round, sample_per_group, top_rows
from ted_core.selection.execution import Execution
from ted_core.selection.random import shuffle_within_levels, uniform_numbers
from ted_core.selection.rounds import Round
from ted_core.selection.sampling import inclusion_probabilities, sampling_groups
from ted_core.selection.sampling.highest import proportional_shares


def at_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Keep uniformly random rows, whatever their class, except for the class floor."""
    priority = uniform_numbers(len(samples), seed=plan.seed, stream=Stream.UNIFORM_SAMPLING)
    yield _sampled_alike(final_round(priority, Quota.of(samples, plan)), samples, plan)


def stratified_random(samples: Samples, plan: PruningPlan, _: ResolvedProxy, __: Execution) -> Iterator[Round]:
    """Keep random rows of every class, in proportion to its size."""
    quota = Quota.of(samples, plan)
    yield _sampled_alike(final_round(stratified_priority(quota), quota), samples, plan)


def _sampled_alike(final: Round, samples: Samples, plan: PruningPlan) -> Round:
    """The round with the probabilities of rows that are all alike, or all those of a class."""
    groups = sampling_groups(samples.groups, plan)
    alike = inclusion_probabilities(np.ones(len(samples), np.float32), final.retained, groups=groups)
    return replace(final, inclusion_probability=alike, rule="random")


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
