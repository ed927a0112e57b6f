"""Proxies that are trained to judge a selection, not to measure rows: each anew, all from the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.distributed.counting import WorldCounter
from ted_core.distributed.world import ALONE, World
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.row_count import CountRows
from ted_core.selection.progress import ProgressCounter
from ted_core.training.batches import Batches
from ted_core.training.trainer import Trainer


@dataclass(frozen=True)
class Split:
    """Which rows a proxy is trained on, and which it is tested on."""

    trained: Bool[np.ndarray, " samples"]
    tested: Bool[np.ndarray, " samples"]


@dataclass(frozen=True)
class SplitOutcome:
    """What became of a split."""

    right: Float32[np.ndarray, " samples"]
    """The share of each tested row's predictions that are right; 0 for all other rows."""
    rows_trained: int
    """Row-visits."""
    rows_measured: int


@dataclass(frozen=True)
class FreshProxies:
    """Trains proxies on some rows and tests them on others, and counts both."""

    samples: Samples
    proxy: ResolvedProxy
    table: Batches
    progress: ProgressCounter
    seed: int
    world: World = ALONE

    @property
    def at_once(self) -> int:
        """How many splits are best tested in one call."""
        return self.world.models

    def test(self, splits: Sequence[Split]) -> list[SplitOutcome]:
        """Train a proxy for each split and test it; several ranks train several of them at the same time."""
        counter = WorldCounter(self.world, len(splits), self.progress.count_trained)
        right = np.zeros((len(splits), len(self.samples)), np.float32)
        for number, split in enumerate(self.world.broadcast(splits)):
            if self.world.trains(number):
                trainer = self._train(split.trained, counter.of(number))
                rows = self.table.stretch(np.flatnonzero(split.tested), self.world.replicas.share)
                right[number, rows] = trainer.right(self.table, rows)
        trained, measured = counter.finish(), [int(split.tested.sum()) for split in splits]
        self.progress.count_measured(sum(measured))
        return [SplitOutcome(*one) for one in zip(self.world.union(right), trained.tolist(), measured, strict=True)]

    def _train(self, rows: Bool[np.ndarray, " samples"], count_rows: CountRows) -> Trainer:
        model = build(self.proxy, self.samples, seed=stream_seed(self.seed, Stream.SEARCH_WEIGHTS))
        trainer = Trainer(model, self.proxy, device=str(self.table.device), replicas=self.world.replicas)
        for epoch in range(self.proxy.training.epochs):
            trainer.train_epoch(
                self.table,
                np.flatnonzero(rows),
                number=epoch,
                rng=stream_rng(self.seed, Stream.SEARCH_BATCHES, epoch),
                count_rows=count_rows,
            )
        return trainer
