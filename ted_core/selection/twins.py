"""Twin proxies: two models that train on complementary halves, so that every sample is unseen by exactly one of them.

How well a model predicts samples that it has fitted says little once it overfits. How well the other twin predicts a
sample that it has never trained on is its internal generalization, measured directly; and both halves together cost one
pass over the retained data.
"""

from collections.abc import Mapping
from dataclasses import fields
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from ted_core.datasets import Samples
from ted_core.distributed.counting import WorldCounter
from ted_core.distributed.world import ALONE, World
from ted_core.plan import TWINS
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.row_count import CountRows
from ted_core.storage.checkpoint import StateDict, merge_state_dicts, sub_state_dict
from ted_core.training.divergence import require_descent
from ted_core.training.predictions import Predictions
from ted_core.training.trainer import Trainer, batches_of


class Twins:
    """Twin A never trains on the samples of fold A, nor twin B on those of fold B.

    In a world of several ranks each of them trains one twin, or both in turn on rows that it alone has the inputs of.
    Everything that is returned is the same on all ranks.
    """

    def __init__(self, samples: Samples, proxy: ResolvedProxy, *, seed: int, device: str, world: World = ALONE) -> None:
        self.seed, self.world = seed, world
        self.table = batches_of(samples, proxy, device=device, world=world)
        self.folds = _folds(len(samples), seed)
        # Their initial weights differ: if the twins agree, the data made them agree, not a common start.
        models = {
            twin: build(proxy, samples, seed=weights)
            for twin, weights in enumerate(initial_seeds(seed))
            if world.trains(twin)
        }
        self.trainers: Mapping[int, Trainer] = {
            twin: Trainer(model, proxy, device=device, replicas=world.replicas) for twin, model in models.items()
        }
        """Of the twins that are trained here."""
        self.losses: Mapping[int, float] = {}
        """The mean loss of each of these twins in its last epoch."""

    def train_epoch(self, retained: Bool[np.ndarray, " samples"], *, number: int, count_rows: CountRows) -> float:
        """Train each twin for epoch ``number`` on the retained samples outside its own fold; return the mean loss.

        The rows of all twins are counted; those of a twin that trains elsewhere when they are known, at the end.
        """
        counter = WorldCounter(self.world, TWINS, count_rows)
        self.losses = {
            twin: trainer.train_epoch(
                self.table,
                np.flatnonzero(retained & ~self.folds[twin]),
                number=number,
                rng=stream_rng(self.seed, Stream.TWIN_BATCHES, twin, number),
                count_rows=counter.of(twin),
            )
            for twin, trainer in self.trainers.items()
        }
        counter.finish()
        return float(self._of_all(self.losses).sum()) / TWINS

    def out_of_sample_predictions(self) -> Predictions:
        """How every sample, pruned or not, is predicted by the twin that has never trained on it."""
        joined = Predictions(*(np.zeros(len(self.folds[0]), np.float32) for _ in fields(Predictions)))
        for twin, trainer in self.trainers.items():
            rows = self._measured_here(self.folds[twin])
            predicted = trainer.predictions(self.table, rows)
            for name, values in vars(predicted).items():
                getattr(joined, name)[rows] = -1 if values is None else values
        return Predictions(**{name: self.world.union(values) for name, values in vars(joined).items()})

    def require_descent(self, predictions: Predictions) -> None:
        """Raise TrainingDiverged if a twin that has finished training, and predicts so, is far worse than untrained."""
        for twin, trainer in self.trainers.items():
            performance = np.maximum(predictions.performance[self.folds[twin]], np.finfo(np.float32).tiny)
            assert trainer.start_loss is not None, "twins have trained before they are judged"  # noqa: S101
            unseen = float(-np.log(performance).mean(dtype=np.float64))
            require_descent(self.losses[twin], start=trainer.start_loss, unseen=unseen)

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """Every sample's gradient norm under that twin, in the metric of the retained samples it was trained on."""
        norms = np.zeros(len(retained), np.float32)
        for twin, trainer in self.trainers.items():
            fold = self.folds[twin]
            rows = self._measured_here(fold)
            norms[rows] = trainer.gradient_norm(
                self.table,
                rows,
                curvature_rows=np.flatnonzero(retained & ~fold),
                rng=stream_rng(self.seed, Stream.TWIN_CURVATURE, twin),
            )
        return self.world.union(norms)

    def state_dict(self) -> StateDict:
        """The states of both twins, on the first rank; on any other that of its own twin, or nothing."""
        spoken_for = {twin: trainer for twin, trainer in self.trainers.items() if self.world.speaks_for(twin)}
        own = merge_state_dicts(**{str(twin): trainer.state_dict() for twin, trainer in spoken_for.items()})
        states = self.world.gather({name: value.cpu() for name, value in own.items()})
        return dict(chain.from_iterable(state.items() for state in states))

    def load_state_dict(self, state: StateDict) -> None:
        """Resume from the states of both twins."""
        for twin, trainer in self.trainers.items():
            trainer.load_state_dict(sub_state_dict(state, str(twin)))

    def _measured_here(self, rows: Bool[np.ndarray, " rows"]) -> Int64[np.ndarray, " own"]:
        """Those of the marked rows that this rank measures; others that have the same twin measure the rest."""
        return self.table.stretch(np.flatnonzero(rows), self.world.replicas.share)

    def _of_all(self, values: Mapping[int, float]) -> Float64[np.ndarray, " twins"]:
        """A number of each twin, from those of the twins that are trained here."""
        told = {twin: value for twin, value in values.items() if self.world.speaks_for(twin)}
        return self.world.union(np.array([told.get(twin, 0.0) for twin in range(TWINS)]))


def initial_seeds(seed: int) -> list[int]:
    """The seed of each twin's initial weights."""
    return [stream_seed(seed, Stream.TWIN_WEIGHTS, twin) for twin in range(TWINS)]


def _folds(samples: int, seed: int) -> tuple[Bool[np.ndarray, " samples"], Bool[np.ndarray, " samples"]]:
    """Two complementary random halves."""
    order = stream_rng(seed, Stream.TWIN_FOLDS).permutation(samples)
    first = np.zeros(samples, bool)
    first[order[: samples // TWINS]] = True
    return first, ~first
