"""Twin proxies: two models that train on complementary halves, so that every sample is unseen by exactly one of them.

How well a model predicts samples that it has fitted says little once it overfits. How well the other twin predicts a
sample that it has never trained on is its internal generalization, measured directly; and both halves together cost one
pass over the retained data.
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, sub_state_dict
from ted_core.training.divergence import require_descent
from ted_core.training.predictions import Predictions
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
        self.losses: list[float] = []
        """Each twin's mean loss in its last epoch."""

    def train_epoch(self, retained: Bool[np.ndarray, " samples"], *, number: int, count_rows: CountRows) -> float:
        """Train each twin for epoch ``number`` on the retained samples outside its own fold; return the mean loss."""
        self.losses = [
            trainer.train_epoch(
                self.table,
                np.flatnonzero(retained & ~fold),
                number=number,
                rng=stream_rng(self.seed, Stream.TWIN_BATCHES, twin, number),
                count_rows=count_rows,
            )
            for twin, (trainer, fold) in enumerate(zip(self.trainers, self.folds, strict=True))
        ]
        return sum(self.losses) / TWINS

    def out_of_sample_predictions(self) -> Predictions:
        """How every sample, pruned or not, is predicted by the twin that has never trained on it."""
        joined = Predictions(*(np.zeros(len(self.folds[0]), np.float32) for _ in fields(Predictions)))
        for trainer, fold in zip(self.trainers, self.folds, strict=True):
            predicted = trainer.predictions(self.table, np.flatnonzero(fold))
            for name, values in vars(predicted).items():
                getattr(joined, name)[fold] = -1 if values is None else values
        return joined

    def require_descent(self, predictions: Predictions) -> None:
        """Raise TrainingDiverged if a twin that has finished training, and predicts so, is far worse than untrained."""
        for trainer, loss, fold in zip(self.trainers, self.losses, self.folds, strict=True):
            performance = np.maximum(predictions.performance[fold], np.finfo(np.float32).tiny)
            assert trainer.start_loss is not None, "twins have trained before they are judged"  # noqa: S101
            unseen = float(-np.log(performance).mean(dtype=np.float64))
            require_descent(loss, start=trainer.start_loss, unseen=unseen)

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
