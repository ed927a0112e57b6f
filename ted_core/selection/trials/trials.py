"""How well the rows that a rule selects explain the others.

A fresh proxy is trained, for a part of the usual epochs, on the rule's rows, and tested on rows that it has not seen:
those that the rule prunes, and a random slice that is held out from all candidates. Pruned rows are not a random sample
of the data, but weighted by the inverse of their probability of being left out (Horvitz and Thompson 1952) they
represent all rows. No other data is needed, and the test set stays unseen.
"""

from collections.abc import Callable, Sequence

from ted_core.datasets import Samples
from ted_core.distributed.world import ALONE, World
from ted_core.proxies import ResolvedProxy
from ted_core.random_streams import Stream, stream_rng
from ted_core.selection.progress import ProgressCounter
from ted_core.selection.sampling import PoissonSample, PoissonSampler
from ted_core.selection.scores import Score
from ted_core.selection.trials.fresh_proxies import FreshProxies, Split, SplitOutcome
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
        world: World = ALONE,
        done: list[Trial],
        save_checkpoint: Callable[[], None],
    ) -> None:
        """What is ``done`` is not repeated; each new trial is added to it, and ``save_checkpoint`` is called."""
        self.samples, self.measurement, self.sampler = samples, measurement, sampler
        self.plan = sampler.plan
        shortened = shorten_training(proxy, self.plan, rows=len(samples))
        self.proxies = FreshProxies(samples, shortened, table, progress, self.plan.seed, world)
        self.done, self.save_checkpoint = done, save_checkpoint
        self.share = slice_share(len(samples))
        numbers = stream_rng(self.plan.seed, Stream.SEARCH_HELD_OUT).random(len(samples))
        self.held_out = numbers <= max(self.share, numbers.min())

    def run(self, rule: Rule) -> Trial:
        """Train a proxy on the rows that this rule selects and test it on the others, unless that has been done."""
        return self.run_all(rule)[0]

    def run_all(self, *rules: Rule) -> list[Trial]:
        """The same for several rules, some of them at the same time where there are ranks for it."""
        missing = [rule for rule in rules if rule not in self._trials]
        for start in range(0, len(missing), self.proxies.at_once):
            self.done.extend(self._new_trials(missing[start : start + self.proxies.at_once]))
            self.save_checkpoint()
        return [self._trials[rule] for rule in rules]

    @property
    def _trials(self) -> dict[Rule, Trial]:
        return {trial.rule: trial for trial in self.done}

    def _new_trials(self, rules: Sequence[Rule]) -> list[Trial]:
        samples = [self._sample(rule) for rule in rules]
        unseen = [~sample.retained | self.held_out for sample in samples]
        tested = self.proxies.test([Split(trained=~rows, tested=rows) for rows in unseen])
        return list(map(self._trial, rules, samples, tested))

    def _sample(self, rule: Rule) -> PoissonSample:
        count = self.plan.rows_kept(len(self.samples))
        return self.sampler.sample(rule.score(self.measurement), self.measurement.order, count)

    def _trial(self, rule: Rule, sample: PoissonSample, tested: SplitOutcome) -> Trial:
        unseen = ~sample.retained | self.held_out
        weight = unseen / (1 - (1 - self.share) * sample.inclusion_probability)
        weight /= weight.sum()
        accuracy = require_finite(float(weight @ tested.right), "A candidate's accuracy")
        return Trial(
            rule,
            accuracy,
            influence=weight * (tested.right - accuracy),
            keep_ratio=self.plan.ratio,
            rows_trained=tested.rows_trained,
            rows_measured=tested.rows_measured,
        )
