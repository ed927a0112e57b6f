"""The score that needs no exponent: how far small changes of the mask move a sample's margin, without wrong labels.

A small performance has two causes. A *hard* sample is one that its twin is unsure about; a *mislabelled* one is one
that its twin is sure about, of another class. The out-of-sample margin m, the probability of the label minus that of
its strongest rival, tells them apart (in sample and in logits it is the AUM of Pleiss et al. 2020, arXiv 2001.10528).
With s = (1 + m)/2 the first-order movement of the margin is proportional to s (1 - s), as that of the performance is to
a (1 - a); with two classes s is a. What labels that look wrong would add is cut off softly.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ted_core.selection.distance import distance

EXPONENT = 1 / 2
"""Of s in s^q (1 - s)."""
CUT_WIDTH = 0.08
"""How softly the cut is made, in units of the margin."""
SUREST_ROWS, SUREST_SHARES = 150, (0.05, 0.25)
"""Among how many samples, those that the twins are surest about, wrong labels are counted; the least and the largest
share of all samples that they may be."""
LEAST_CUT, UNSURE, SURE = 0.5, 0.35, 0.45
"""Which part of the wrong labels is cut off where twins are unsure, and the confidence up to which they count as unsure
and from which on as sure."""
HIGHEST_CUT, CUT_PER_KEPT = 0.1, 2.0
"""The less is kept, the more of the hard samples are cut off too: those below 0.1 - 2 keep_ratio."""

PerSample = Float[np.ndarray, " samples"]


@dataclass(frozen=True)
class NoiseEstimate:
    """How many labels look wrong, as far as models that have not seen them can tell."""

    share: float
    """Of all samples."""
    rows_counted: int
    """Among how many of them, those that the models are surest about, they were counted."""
    confidence: float
    """How sure the models are: the mean margin of the samples whose label is the likeliest class."""

    @property
    def standard_error(self) -> float:
        """Of the share, as far as chance goes."""
        return float(np.sqrt(self.share * (1 - self.share) / self.rows_counted))


def estimate_noise(performance: PerSample, margin: PerSample) -> NoiseEstimate:
    """Estimate the share of wrong labels from mean out-of-sample performances and margins.

    Where a model is surest its errors are few, and most of what it contradicts there is mislabelled (Northcutt et al.
    2021, arXiv 1911.00068, count errors above class-wise thresholds for the same reason). How sure it is, is the
    largest of all probabilities: that of the label, or of its rival where the margin is negative.
    """
    largest = performance - np.minimum(margin, 0)
    least, most = SUREST_SHARES
    surest = min(max(SUREST_ROWS / len(margin), least), most)
    contradicted = margin[largest >= np.quantile(largest, 1 - surest)] < 0
    agreed = margin[margin >= 0]
    return NoiseEstimate(float(contradicted.mean()), len(contradicted), float(agreed.mean()) if len(agreed) else 0.0)


def cut_share(noise: NoiseEstimate) -> float:
    """The share of all samples that are cut off because labels are wrong: half of these, or more.

    Twins that are sure of what they know have learned about as much as a model that trains to the end, and few of the
    labels that they contradict are right. Those that are not also contradict hard samples, which such a model needs.
    """
    sure = min(max((noise.confidence - UNSURE) / (SURE - UNSURE), 0.0), 1.0)
    return noise.share * (LEAST_CUT + (1 - LEAST_CUT) * sure)


def cut_margin(margin: PerSample, *, share: float, keep_ratio: float) -> float:
    """The margin below which samples are cut off: this share of them, and more where little is kept."""
    return max(float(np.quantile(margin, share)), HIGHEST_CUT - CUT_PER_KEPT * keep_ratio)


def margin_score(margin: PerSample, *, cut: float) -> PerSample:
    """s^½ (1 - s) of each sample's mean out-of-sample margin in [-1, 1], far less below the cut; all are positive."""
    above = 1 / (1 + np.exp((cut - margin) / CUT_WIDTH))
    return np.asarray(distance((1 + margin) / 2, EXPONENT) * above)
