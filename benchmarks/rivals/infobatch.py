"""InfoBatch: every epoch leaves out some of what is learned well, and weighs up the rest of it (Qin et al. 2023).

From "InfoBatch: lossless training speed up by unbiased dynamic data pruning", arXiv 2303.04947, ICLR 2024. Before each
pass over the data, samples whose last loss is below the mean are left out with the probability r, and the gradients of
such samples that remain are multiplied by 1 / (1 - r), so that the expected gradient is that of all samples. The last
part of training, 1 - δ, sees all samples with the weight 1. r = 1/2 and δ = 0.875 are the authors' defaults.

Ours: a keep ratio has no place in it, since what it leaves out follows from the losses. So that it is compared at equal
row visits, it makes as many passes as the visits allow, the last one cut short; learning rate and δ follow the share
of visits that is done.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from benchmarks.fresh_models import TrainingPass
from benchmarks.random_streams import BenchmarkStream
from ted_core.random_streams import stream_rng

LEFT_OUT, PRUNED_SHARE = 0.5, 0.875
"""r and δ in the text above."""


@dataclass(frozen=True)
class InfoBatch:
    """The passes of one run; an instance of ``benchmarks.fresh_models.Passes``."""

    visits: int
    """Of rows, in the whole run."""
    seed: int

    def __call__(self, losses: Float32[np.ndarray, " samples"], done: int) -> TrainingPass:
        """Return the next pass after ``done`` visits; the losses are NaN for samples that were not visited yet."""
        rng = stream_rng(self.seed, BenchmarkStream.INFOBATCH, done)
        learned = np.zeros(len(losses), bool) if done >= PRUNED_SHARE * self.visits else well_learned(losses)
        kept = np.flatnonzero(~(learned & (rng.random(len(losses)) < LEFT_OUT)))
        rows = rng.permutation(kept)[: self.visits - done]
        return TrainingPass(rows, np.where(learned, 1 / (1 - LEFT_OUT), 1.0).astype(np.float32)[rows])


def well_learned(losses: Float32[np.ndarray, " samples"]) -> np.ndarray:
    """Return whether each sample's last loss is below the mean of those that are known."""
    known = ~np.isnan(losses)
    return known & (losses < losses[known].mean()) if known.any() else known
