"""Proxies that are trained to judge a selection, not to measure rows: each anew, all from the same weights."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.selection.progress import ProgressCounter
from ted_core.training.batches import Batches
from ted_core.training.trainer import Trainer


@dataclass(frozen=True)
class FreshProxies:
    """Trains proxies on some rows and tests them on others, and counts both."""

    samples: Samples
    proxy: ResolvedProxy
    table: Batches
    progress: ProgressCounter
    seed: int

    def right(
        self, *, trained: Bool[np.ndarray, " samples"], tested: Bool[np.ndarray, " samples"]
    ) -> Float32[np.ndarray, " samples"]:
        """The share of each tested row's predictions that are right after training on others; 0 for all other rows."""
        trainer, right = self._train(trained), np.zeros(len(tested), np.float32)
        right[tested] = trainer.right(self.table, np.flatnonzero(tested))
        self.progress.count_measured(int(tested.sum()))
        return right

    def _train(self, rows: Bool[np.ndarray, " samples"]) -> Trainer:
        model = build(self.proxy, self.samples, seed=stream_seed(self.seed, Stream.SEARCH_WEIGHTS))
        trainer = Trainer(model, self.proxy, device=str(self.table.device))
        for epoch in range(self.proxy.training.epochs):
            trainer.train_epoch(
                self.table,
                np.flatnonzero(rows),
                number=epoch,
                rng=stream_rng(self.seed, Stream.SEARCH_BATCHES, epoch),
                count_rows=self.progress.count_trained,
            )
        return trainer
