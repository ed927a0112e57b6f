"""Drawing samples in proportion to their scores: exact counts, in time linear in the number of rows."""

from ted_core.selection.sampling.probabilities import inclusion_probabilities
from ted_core.selection.sampling.sampler import PoissonSample, PoissonSampler, sampling_groups

__all__ = ["PoissonSample", "PoissonSampler", "inclusion_probabilities", "sampling_groups"]
