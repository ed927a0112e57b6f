"""Twin proxies: two models that train on complementary halves, so that every sample is unseen by exactly one of them.

How well a model predicts samples that it has fitted says little once it overfits. How well the other twin predicts a
sample that it has never trained on is its internal generalization, measured directly; and both halves together cost one
pass over the retained data.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, sub_state_dict
from ted_core.training.trainer import CountRows, Trainer, batches_of

TWINS = 2


class Twins:
    """Twin A never trains on the samples of fold A, nor twin B on those of fold B."""

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, seed: int, device: str) -> None:
        self.seed = seed
        self.table = batches_of(samples, proxy, device=device)
        self.folds = _folds(len(samples), seed)
        # Their initial weights differ: if the twins agree, the data made them agree, not a common start.
        models = [build(proxy, samples, seed=weights) for weights in initial_seeds(seed)]
        self.trainers = [Trainer(model, proxy, device=device) for model in models]

    def train_epoch(self, retained: Bool[np.ndarray, " samples"], *, number: int, count_rows: CountRows) -> float:
        """Train each twin for epoch ``number`` on the retained samples outside its own fold; return the mean loss."""
        losses = [
            trainer.train_epoch(
                self.table,
                np.flatnonzero(retained & ~fold),
                number=number,
                rng=stream_rng(self.seed, Stream.TWIN_BATCHES, twin, number),
                count_rows=count_rows,
            )
            for twin, (trainer, fold) in enumerate(zip(self.trainers, self.folds, strict=True))
        ]
        return sum(losses) / TWINS

    def out_of_sample_performance(self) -> Float32[np.ndarray, " samples"]:
        """Every sample's performance, pruned or not, under the twin that has never trained on it."""
        return self._out_of_sample(lambda twin, fold: self.trainers[twin].performance(self.table, np.flatnonzero(fold)))

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """Every sample's gradient norm under that twin, in the metric of the retained samples it was trained on."""
        return self._out_of_sample(
            lambda twin, fold: self.trainers[twin].gradient_norm(
                self.table,
                np.flatnonzero(fold),
                curvature_rows=np.flatnonzero(retained & ~fold),
                rng=stream_rng(self.seed, Stream.TWIN_CURVATURE, twin),
            )
        )

    def state_dict(self) -> StateDict:
        """The states of both twins."""
        return merge_state_dicts(**{str(twin): trainer.state_dict() for twin, trainer in enumerate(self.trainers)})

    def load_state_dict(self, state: StateDict) -> None:
        """Resume from these states."""
        for twin, trainer in enumerate(self.trainers):
            trainer.load_state_dict(sub_state_dict(state, str(twin)))

    def _out_of_sample(self, measure: Callable[[int, np.ndarray], np.ndarray]) -> Float32[np.ndarray, " samples"]:
        values = np.zeros(len(self.folds[0]), np.float32)
        for twin, fold in enumerate(self.folds):
            values[fold] = measure(twin, fold)
        return values


def initial_seeds(seed: int) -> list[int]:
    """The seed of each twin's initial weights."""
    return [stream_seed(seed, Stream.TWIN_WEIGHTS, twin) for twin in range(TWINS)]


def _folds(samples: int, seed: int) -> tuple[Bool[np.ndarray, " samples"], Bool[np.ndarray, " samples"]]:
    """Two complementary random halves."""
    order = stream_rng(seed, Stream.TWIN_FOLDS).permutation(samples)
    first = np.zeros(samples, bool)
    first[order[: samples // TWINS]] = True
    return first, ~first
