"""How well the rows that a rule selects explain the others.

A fresh proxy is trained, for a part of the usual epochs, on the rule's rows, and tested on rows that it has not seen:
those that the rule prunes, and a random slice that is held out from all candidates. Pruned rows are not a random sample
of the data, but weighted by the inverse of their probability of being left out (Horvitz and Thompson 1952) they
represent all rows. No other data is needed, and the test set stays unseen.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.random_streams import Stream, stream_rng, stream_seed
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import Score
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial
from ted_core.selection.workload import shorten_training, slice_share
from ted_core.training.batches import Batches
from ted_core.training.finite import require_finite
from ted_core.training.trainer import Trainer


class Trials:
    """Trials of rules on the same samples. Each trains a fresh proxy; all start from the same weights."""

    def __init__(
        self,
        samples: Samples,
        measurement: Score,
        sampler: PoissonSampler,
        *,
        proxy: ResolvedProxy,
        table: Batches,
        progress: ProgressCounter,
        done: list[Trial],
        save_checkpoint: Callable[[], None],
    ) -> None:
        """What is ``done`` is not repeated; each new trial is added to it, and ``save_checkpoint`` is called."""
        self.samples, self.measurement, self.sampler = samples, measurement, sampler
        self.plan = sampler.plan
        self.proxy = shorten_training(proxy, self.plan, rows=len(samples))
        self.table, self.progress = table, progress
        self.done, self.save_checkpoint = done, save_checkpoint
        self.share = slice_share(len(samples))
        numbers = stream_rng(self.plan.seed, Stream.SEARCH_HELD_OUT).random(len(samples))
        self.held_out = numbers <= max(self.share, numbers.min())

    def run(self, rule: Rule) -> Trial:
        """Train a proxy on the rows that this rule selects and test it on the others, unless that has been done."""
        trial = next((trial for trial in self.done if trial.rule == rule), None)
        if trial is None:
            trial = self._new_trial(rule)
            self.done.append(trial)
            self.save_checkpoint()
        return trial

    def _new_trial(self, rule: Rule) -> Trial:
        rows_trained, rows_measured = self.progress.rows_trained, self.progress.rows_measured
        count = self.plan.rows_kept(len(self.samples))
        sample = self.sampler.sample(rule.score(self.measurement), self.measurement.order, count)
        unseen = ~sample.retained | self.held_out
        right = self._right(self._train(~unseen), unseen)
        weight = unseen / (1 - (1 - self.share) * sample.inclusion_probability)
        weight /= weight.sum()
        accuracy = require_finite(float(weight @ right), "A candidate's accuracy")
        return Trial(
            rule,
            accuracy,
            influence=weight * (right - accuracy),
            rows_trained=self.progress.rows_trained - rows_trained,
            rows_measured=self.progress.rows_measured - rows_measured,
        )

    def _train(self, rows: Bool[np.ndarray, " samples"]) -> Trainer:
        model = build(self.proxy, self.samples, seed=stream_seed(self.plan.seed, Stream.SEARCH_WEIGHTS))
        trainer = Trainer(model, self.proxy, device=str(self.table.device))
        for epoch in range(self.proxy.training.epochs):
            trainer.train_epoch(
                self.table,
                np.flatnonzero(rows),
                number=epoch,
                rng=stream_rng(self.plan.seed, Stream.SEARCH_BATCHES, epoch),
                count_rows=self.progress.count_trained,
            )
        return trainer

    def _right(self, trainer: Trainer, rows: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        right = np.zeros(len(rows), np.float32)
        right[rows] = trainer.right(self.table, np.flatnonzero(rows))
        self.progress.count_measured(int(rows.sum()))
        return right
