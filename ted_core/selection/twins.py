"""Twin proxies: two models that train on complementary halves, so that every sample is unseen by exactly one.

A model's performance on what it has fitted says little where it overfits. What the other twin makes of a sample it has
never trained on is internal generalization, measured; and both halves together cost one pass over the retained data.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, sub_state_dict
from ted_core.training.trainer import CountRows, Trainer, batches_of

TWINS = 2
SPLIT, INITIALIZATION, ORDER = range(3)
"""What randomness is for; part of every seed, so that no two uses share a stream."""


class Twins:
    """Twin A never trains on the samples of fold A, nor twin B on those of fold B."""

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, seed: int, device: str) -> None:
        self.seed, self.table = seed, batches_of(samples, proxy, device=device)
        self.folds = _folds(len(samples), seed)
        # Different initial weights: twins that agree then agree because of the data, not because of their start.
        models = [build(proxy, samples, seed=seed) for seed in initial_seeds(seed)]
        self.trainers = [Trainer(model, proxy, device=device) for model in models]

    def train_epoch(self, retained: Bool[np.ndarray, " samples"], *, number: int, count_rows: CountRows) -> float:
        """The twins' mean loss over epoch ``number``, each on the retained samples outside its own fold."""
        losses = [
            trainee.train_epoch(
                self.table,
                np.flatnonzero(retained & ~fold),
                number=number,
                seed=(self.seed, ORDER, twin),
                count_rows=count_rows,
            )
            for twin, (trainee, fold) in enumerate(zip(self.trainers, self.folds, strict=True))
        ]
        return sum(losses) / TWINS

    def out_of_sample_performance(self) -> Float32[np.ndarray, " samples"]:
        """Every sample's performance, pruned or not, under the twin that has never trained on it."""
        return self._out_of_sample(lambda trainee, fold: trainee.performance(self.table, np.flatnonzero(fold)))

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """Every sample's gradient norm under that twin, in the metric of the retained samples it was trained on."""
        return self._out_of_sample(
            lambda trainee, fold: trainee.gradient_norm(
                self.table, np.flatnonzero(fold), curvature_rows=np.flatnonzero(retained & ~fold)
            )
        )

    def state_dict(self) -> StateDict:
        """Both twins' states."""
        return merge_state_dicts(**{str(twin): trainee.state_dict() for twin, trainee in enumerate(self.trainers)})

    def load_state_dict(self, state: StateDict) -> None:
        """Go on from these states."""
        for twin, trainee in enumerate(self.trainers):
            trainee.load_state_dict(sub_state_dict(state, str(twin)))

    def _out_of_sample(self, measure: Callable[[Trainer, np.ndarray], np.ndarray]) -> Float32[np.ndarray, " samples"]:
        measured = np.zeros(len(self.folds[0]), np.float32)
        for trainee, fold in zip(self.trainers, self.folds, strict=True):
            measured[fold] = measure(trainee, fold)
        return measured


def initial_seeds(seed: int) -> list[int]:
    """For each twin the seed of its initial weights."""
    return [int(state) for state in np.random.SeedSequence((seed, INITIALIZATION)).generate_state(TWINS)]


def _folds(samples: int, seed: int) -> tuple[Bool[np.ndarray, " samples"], Bool[np.ndarray, " samples"]]:
    """Two complementary random halves."""
    order = np.random.default_rng((seed, SPLIT)).permutation(samples)
    first = np.zeros(samples, bool)
    first[order[: samples // TWINS]] = True
    return first, ~first
