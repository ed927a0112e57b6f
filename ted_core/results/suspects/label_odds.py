"""The odds that a label is wrong, given the probabilities of the classes: Bayes' rule with a model of wrong labels.

Where class j is right, a wrong label is y with a probability proportional to T_yj p_y^β. T says how often y stands for
j, whatever the sample. β says how far it depends on the sample: not at all for β = 0; for β = 1, a label is as likely
to be put in place of the right one as the model takes its class to be likely.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ted_core.training.predictions import Predictions

DEPENDENCES = tuple(step / 10 for step in range(11))
"""The values of β that are tried."""
LEAST_GAIN = 0.05
"""Nats by which a β of 1 must make labels likelier for each sample that a model is sure about, contradicted or not.
Some contradictions are the model's errors, whose labels are right and likely beside the class that it names."""
FLOOR = 1e-6
"""A smaller probability is as good as none: powers of it say more about how far a model was trained than about it."""
TINY = float(np.finfo(np.float32).tiny)

PerSample = Float[np.ndarray, " samples"]
SampleMask = Bool[np.ndarray, " samples"]


@dataclass(frozen=True)
class ClassProbabilities:
    """What a model gives each sample's label, the likeliest other class, and each of the others on average."""

    label: PerSample
    rival: PerSample
    other: PerSample
    classes: int

    @classmethod
    def of(cls, predictions: Predictions, *, classes: int, samples: slice | SampleMask) -> "ClassProbabilities":
        """Those that the predictions of these samples imply."""
        label = predictions.performance[samples].astype(np.float64)
        rival = np.clip(label - predictions.margin[samples], 0, 1 - label)
        other = (1 - label - rival) / max(classes - 2, 1)
        return cls(label, rival, np.maximum(other, 0), classes)

    def log_odds(self, tendency: PerSample, dependence: float) -> PerSample:
        """The logarithm of the odds that each label is wrong, up to a constant.

        ``tendency`` is T of the label and its rival, over the mean of the label's row, which is 1; the label's other
        classes share what is left.
        """
        rest = (self.classes - 1 - tendency) / max(self.classes - 2, 1)
        label, rival, other = (_power(part, dependence) for part in (self.label, self.rival, self.other))
        others = (rival + max(self.classes - 3, 0) * other) / max(self.classes - 2, 1)
        instead_of_rival = tendency / (tendency * label + (self.classes - 1 - tendency) * other)
        instead_of_others = rest / (rest * label + (self.classes - 1 - rest) * others)
        wrong = instead_of_rival * self.rival + instead_of_others * (1 - self.label - self.rival)
        return np.asarray(np.log(np.maximum(wrong, TINY)) + (dependence - 1) * np.log(np.maximum(self.label, TINY)))

    def dependence(self, tendency: PerSample, *, sure: int) -> float:
        """The β under which these labels, each put in its rival's place, are likeliest.

        They are those that a model contradicts among so many that it is ``sure`` about. Without much evidence β is 0.
        """
        gain = {dependence: self._likelihood(tendency, dependence) for dependence in DEPENDENCES}
        return max(DEPENDENCES, key=lambda dependence: gain[dependence] - LEAST_GAIN * sure * dependence)

    def _likelihood(self, tendency: PerSample, dependence: float) -> float:
        """The logarithm of how likely these labels are where their rivals are right."""
        label = tendency * _power(self.label, dependence)
        others = (self.classes - 1 - tendency) * _power(self.other, dependence)
        return float(np.log(label / (label + others)).sum())


def _power(probability: PerSample, exponent: float) -> PerSample:
    return np.asarray(np.maximum(probability, FLOOR) ** exponent)
