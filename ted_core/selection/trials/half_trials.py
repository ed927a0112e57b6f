"""What pruning to a ratio costs: proxies trained on a half of all rows, or on what is kept of it, tested on the other.

Rows that a model was trained on cannot judge it, so the effect of pruning *all* rows cannot be measured without other
data. On halves it can, and halves overstate it rather than not: with fewer rows each of them counts more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ted_core.selection.sampling import PoissonSampler
from ted_core.selection.scores import Score
from ted_core.selection.trials.fresh_proxies import FreshProxies
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

    def run(self, rule: Rule, keep_ratio: float) -> Trial:
        """Train a proxy on what the rule keeps of the half, unless that has been done, and test it on the others."""
        trial = next((trial for trial in self.done if trial.keep_ratio == keep_ratio), None)
        if trial is None:
            trial = self._new_trial(rule, keep_ratio)
            self.done.append(trial)
            self.save_checkpoint()
        return trial

    def _new_trial(self, rule: Rule, keep_ratio: float) -> Trial:
        progress = self.proxies.progress
        rows_trained, rows_measured = progress.rows_trained, progress.rows_measured
        right = self.proxies.right(trained=self.half & self._retained(rule, keep_ratio), tested=~self.half)
        accuracy = require_finite(float(right[~self.half].mean(dtype=np.float64)), "The accuracy at a keep ratio")
        return Trial(
            rule,
            accuracy,
            influence=~self.half * (right - accuracy) / np.count_nonzero(~self.half),
            keep_ratio=keep_ratio,
            rows_trained=progress.rows_trained - rows_trained,
            rows_measured=progress.rows_measured - rows_measured,
        )

    def _retained(self, rule: Rule, keep_ratio: float) -> Bool[np.ndarray, " samples"]:
        plan = self.sampler.plan.keeping(keep_ratio)
        count = plan.rows_kept(len(self.half))
        score = rule.score(self.measurement.at(keep_ratio))
        return self.sampler.sample(score, self.measurement.order, count).retained
