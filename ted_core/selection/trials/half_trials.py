"""What pruning to a ratio costs: proxies trained on a half of all rows, or on what is kept of it, tested on the other.

Rows that a model was trained on cannot judge it, so the effect of pruning *all* rows cannot be measured without other
data. On halves it can, and halves overstate it rather than not: with fewer rows each of them counts more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import Score
from ted_core.selection.trials.fresh_proxies import FreshProxies, Split, SplitOutcome
from ted_core.selection.trials.rule import Rule
from ted_core.selection.trials.trial import Trial
from ted_core.training.divergence import require_finite


@dataclass(frozen=True)
class HalfTrials:
    """Trials of keep ratios. What is ``done`` is not repeated; each new trial is added to it and saved."""

    measurement: Score
    sampler: PoissonSampler
    proxies: FreshProxies
    half: Bool[np.ndarray, " samples"]
    """The rows to train on; the others are tested."""
    done: list[Trial]
    save_checkpoint: Callable[[], None]

    def run(self, rule: Rule, *keep_ratios: float) -> list[Trial]:
        """Train a proxy on what the rule keeps of the half, for each ratio that is not done, and test it on the others.

        Where there are ranks for it, some are trained at the same time.
        """
        missing = [ratio for ratio in keep_ratios if ratio not in self._trials]
        for start in range(0, len(missing), self.proxies.at_once):
            self.done.extend(self._new_trials(rule, missing[start : start + self.proxies.at_once]))
            self.save_checkpoint()
        return [self._trials[ratio] for ratio in keep_ratios]

    @property
    def _trials(self) -> dict[float, Trial]:
        return {trial.keep_ratio: trial for trial in self.done}

    def _new_trials(self, rule: Rule, keep_ratios: Sequence[float]) -> list[Trial]:
        retained = [self._retained(rule, ratio) for ratio in keep_ratios]
        tested = self.proxies.test([Split(trained=self.half & rows, tested=~self.half) for rows in retained])
        return [self._trial(rule, *one) for one in zip(keep_ratios, tested, strict=True)]

    def _trial(self, rule: Rule, keep_ratio: float, tested: SplitOutcome) -> Trial:
        right = tested.right
        accuracy = require_finite(float(right[~self.half].mean(dtype=np.float64)), "The accuracy at a keep ratio")
        return Trial(
            rule,
            accuracy,
            influence=~self.half * (right - accuracy) / np.count_nonzero(~self.half),
            keep_ratio=keep_ratio,
            rows_trained=tested.rows_trained,
            rows_measured=tested.rows_measured,
        )

    def _retained(self, rule: Rule, keep_ratio: float) -> Bool[np.ndarray, " samples"]:
        plan = self.sampler.plan.keeping(keep_ratio)
        count = plan.rows_kept(len(self.half))
        score = rule.score(self.measurement.at(keep_ratio))
        return self.sampler.sample(score, self.measurement.order, count).retained
