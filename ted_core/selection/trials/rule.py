"""What ranks rows: a score, with an exponent or without one, or nothing but chance."""

from dataclasses import dataclass

import numpy as np

from ted_core.plan import PruningPlan, RuleName
from ted_core.selection.margin import PerSample
from ted_core.selection.scores import Score

PROVISIONAL_Q = 1.0
"""The exponent of the loop until one is chosen."""


@dataclass(frozen=True)
class Rule:
    """A way of ranking rows by what twins have measured."""

    name: RuleName
    q: float | None = None
    """The score's exponent; None if it has none."""

    @classmethod
    def of(cls, plan: PruningPlan) -> "Rule":
        """The plan's own; until its exponent is chosen, with a provisional one."""
        return cls(plan.score, PROVISIONAL_Q if plan.q == "auto" else plan.q)

    def score(self, measurement: Score) -> PerSample:
        """How much each sample is worth keeping; all the same for random rows."""
        return np.ones(len(measurement.performance)) if self == RANDOM else measurement.score(self.q)


RANDOM = Rule("random")
"""Rows spread evenly over classes and over easy and hard ones, otherwise random."""
