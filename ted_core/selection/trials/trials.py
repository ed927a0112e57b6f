"""How well the rows that a rule selects explain the others.

A fresh proxy is trained, for a part of the usual epochs, on the rule's rows, and tested on rows that it has not seen:
those that the rule prunes, and a random slice that is held out from all candidates. Pruned rows are not a random sample
of the data, but weighted by the inverse of their probability of being left out (Horvitz and Thompson 1952) they
represent all rows. No other data is needed, and the test set stays unseen.
"""

from collections.abc import Callable

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import Score
from ted_core.selection.trials.fresh_proxies import FreshProxies
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial
from ted_core.selection.workload import shorten_training, slice_share
from ted_core.training.batches import Batches
from ted_core.training.divergence import require_finite


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
        self.plan, self.progress = sampler.plan, progress
        shortened = shorten_training(proxy, self.plan, rows=len(samples))
        self.proxies = FreshProxies(samples, shortened, table, progress, self.plan.seed)
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
        right = self.proxies.right(trained=~unseen, tested=unseen)
        weight = unseen / (1 - (1 - self.share) * sample.inclusion_probability)
        weight /= weight.sum()
        accuracy = require_finite(float(weight @ right), "A candidate's accuracy")
        return Trial(
            rule,
            accuracy,
            influence=weight * (right - accuracy),
            keep_ratio=self.plan.ratio,
            rows_trained=self.progress.rows_trained - rows_trained,
            rows_measured=self.progress.rows_measured - rows_measured,
        )
