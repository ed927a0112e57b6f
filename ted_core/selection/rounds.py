"""The facts that pruning yields."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt16

from ted_core.plan import RuleName
from ted_core.selection.margin import NoiseEstimate
from ted_core.training.predictions import Predictions


@dataclass(frozen=True)
class ProgressUpdate:
    """How much of the work is done; reported while a round runs."""

    round: int
    rounds: int
    fraction: float
    """Of all rounds' work, between 0 and 1."""
    samples_trained: int


@dataclass(frozen=True)
class Candidate:
    """A way of ranking rows that was tried, and how well a proxy trained on its rows predicted other rows."""

    rule: RuleName
    """The score that ranked the rows; ``random`` for rows spread evenly over classes and over easy and hard ones."""
    q: float | None
    """The score's exponent; None if it has none."""
    accuracy: float
    """Of a proxy trained on this candidate's rows, estimated for all samples from those it was not trained on."""
    behind: float
    """How much lower that is than the chosen candidate's; negative if it is higher."""
    standard_error: float
    """Of ``behind``."""


@dataclass(frozen=True)
class Choice:
    """What was chosen from which candidates."""

    rule: RuleName
    """What ranks the rows."""
    q: float | None
    """The score's exponent; None if it has none."""
    reason: str
    candidates: tuple[Candidate, ...]
    """In the order they were tried."""
    samples_trained: int
    """Row-visits of training that the candidates took."""
    samples_measured: int
    """Row-visits of measuring that they took."""


@dataclass(frozen=True)
class RatioPoint:
    """What keeping a part of the rows costs, measured by proxies that were trained on halves."""

    ratio: float
    accuracy: float
    """Of a proxy trained on what this ratio keeps of one half, on the other half."""
    loss: float
    """How many points lower that is than with the whole half; negative if it is higher."""
    standard_error: float
    """Of ``loss``."""
    interval: tuple[float, float]
    """Of ``loss``, in points."""


@dataclass(frozen=True)
class RatioChoice:
    """Which keep ratio was chosen, and from which curve."""

    ratio: float
    """1 if nothing is to be pruned."""
    tolerance: float
    """The points of accuracy that it may cost."""
    points: tuple[RatioPoint, ...]
    """From all rows downwards."""
    samples_trained: int
    """Row-visits of training that the points took."""
    samples_measured: int
    """Row-visits of measuring that they took."""


@dataclass(frozen=True)
class Round:
    """The state after one round; the last one is the selection."""

    number: int
    rounds: int
    retained: Bool[np.ndarray, " samples"]
    score: Float32[np.ndarray, " samples"]
    """NaN if the method measures nothing."""
    internal_generalization: Float32[np.ndarray, " samples"]
    """Mean performance so far of models that did not train on the sample; NaN if not measured."""
    last_round: UInt16[np.ndarray, " samples"]
    """The last round in which the sample was retained; 0 for never."""
    train_loss: float | None
    samples_trained: int
    """Row-visits of training so far."""
    samples_measured: int
    """Row-visits of measuring so far."""
    q: float | None = None
    """The exponent that ranked the samples; None if no performance did."""
    rule: RuleName | None = None
    """What ranked the samples; None if it is the score of a baseline."""
    margin: Float32[np.ndarray, " samples"] | None = None
    """Mean margin so far under models that did not train on the sample; NaN if not measured, None if it never is."""
    noise: NoiseEstimate | None = None
    """How many labels look wrong; None if nothing was measured."""
    order: Float32[np.ndarray, " samples"] | None = None
    """What the score follows, from hard samples to easy ones; None if nothing was measured out of sample."""
    priority: Float32[np.ndarray, " samples"] | None = None
    """What ranks the samples, if not the score itself: the highest are retained."""
    inclusion_probability: Float[np.ndarray, " samples"] | None = None
    """Of each sample, if the samples were drawn; set in the last round."""
    choice: Choice | None = None
    """What was chosen from which candidates, if the plan asks for a choice; set in the last round."""
    ratio_choice: RatioChoice | None = None
    """Which keep ratio was chosen, if the plan leaves it open; set in the last round."""
    predictions: Predictions | None = None
    """Of every sample, by models that did not train on it, when it was last measured; None if it never was."""

    @property
    def mean_internal_generalization(self) -> float | None:
        """The mean over the pruned samples; None if nothing is pruned or measured."""
        pruned = self.internal_generalization[~self.retained]
        return float(pruned.mean()) if len(pruned) and not np.isnan(pruned).any() else None


ProgressCallback = Callable[[ProgressUpdate], None]


def ignore_progress(_: ProgressUpdate) -> None:
    """Do nothing: for callers that only want the rounds."""
