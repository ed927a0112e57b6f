"""The result of trying a rule at a keep ratio, and the choice between several rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import get_args

import numpy as np
from jaxtyping import Float

from ted_core.plan import RuleName
from ted_core.selection.rounds import Candidate, Choice
from ted_core.selection.trials.rule import Rule
from ted_core.storage.checkpoint import StateDict, of_array, of_number

RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)


@dataclass(frozen=True)
class Trial:
    """A rule and its result."""

    rule: Rule
    accuracy: float
    """Estimated over all samples."""
    influence: Float[np.ndarray, " samples"]
    """What each sample contributes to the estimate's error; the squares add up to its variance."""
    keep_ratio: float
    rows_trained: int = 0
    """Row-visits of training that it took."""
    rows_measured: int = 0
    """Row-visits of measuring."""

    def state_dict(self) -> StateDict:
        """The trial as tensors; a missing exponent becomes NaN."""
        numbers = {
            "rule": RULE_NAMES.index(self.rule.name),
            "q": nan if self.rule.q is None else self.rule.q,
            "keep_ratio": self.keep_ratio,
            "accuracy": self.accuracy,
            "trained": self.rows_trained,
            "measured": self.rows_measured,
        }
        return {"influence": of_array(self.influence)} | {name: of_number(value) for name, value in numbers.items()}

    @classmethod
    def from_state_dict(cls, state: StateDict) -> "Trial":
        """The trial with this state."""
        names = ("rule", "q", "accuracy", "keep_ratio", "trained", "measured")
        number, q, accuracy, ratio, trained, measured = (state[name].item() for name in names)
        rule = Rule(RULE_NAMES[int(number)], None if isnan(q) else q)
        return cls(rule, accuracy, state["influence"].numpy(), ratio, int(trained), int(measured))


def standard_error(first: Trial, second: Trial) -> float:
    """Of the difference between two accuracies that were estimated on the same samples.

    It is that of the rows that were tested: how much proxies with other initial weights would differ is not in it.
    """
    return float(np.sqrt(((first.influence - second.influence) ** 2).sum()))


def is_clearly_ahead(first: Trial, second: Trial) -> bool:
    """Whether the first is more accurate than the second by more than a standard error of the difference."""
    return first.accuracy - second.accuracy > standard_error(first, second)


def choice_of(chosen: Trial, trials: Sequence[Trial], *, reason: str) -> Choice:
    """The choice of one of these trials for a reason."""
    return Choice(
        rule=chosen.rule.name,
        q=chosen.rule.q,
        reason=reason,
        candidates=tuple(_candidate(trial, chosen) for trial in trials),
        samples_trained=sum(trial.rows_trained for trial in trials),
        samples_measured=sum(trial.rows_measured for trial in trials),
    )


def _candidate(trial: Trial, chosen: Trial) -> Candidate:
    return Candidate(
        rule=trial.rule.name,
        q=trial.rule.q,
        accuracy=trial.accuracy,
        behind=chosen.accuracy - trial.accuracy,
        standard_error=standard_error(trial, chosen),
    )
