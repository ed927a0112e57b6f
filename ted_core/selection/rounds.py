"""The facts that pruning yields."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt16


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
    """A candidate for the exponent, and how well a proxy trained on its rows predicted other rows."""

    q: float | None
    """The exponent; None for class-stratified random rows."""
    accuracy: float
    """Of a proxy trained on this candidate's rows, estimated for all samples from those it was not trained on."""
    behind: float
    """How much lower that is than the chosen candidate's; negative if it is higher."""
    standard_error: float
    """Of ``behind``."""


@dataclass(frozen=True)
class Choice:
    """How the exponent was chosen."""

    q: float | None
    """The exponent; None if class-stratified random rows were chosen."""
    reason: str
    candidates: tuple[Candidate, ...]
    """In the order they were tried."""
    samples_trained: int
    """Row-visits of training that the search took."""
    samples_measured: int
    """Row-visits of measuring that it took."""


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
    priority: Float[np.ndarray, " samples"] | None = None
    """What ranks the samples, if not the score itself: the highest are retained."""
    inclusion_probability: Float[np.ndarray, " samples"] | None = None
    """Of each sample, if the samples were drawn."""
    choice: Choice | None = None
    """How the exponent was chosen, if the plan left it to the service; set in the last round."""

    @property
    def mean_internal_generalization(self) -> float | None:
        """The mean over the pruned samples; None if nothing is pruned or measured."""
        pruned = self.internal_generalization[~self.retained]
        return float(pruned.mean()) if len(pruned) and not np.isnan(pruned).any() else None


ProgressCallback = Callable[[ProgressUpdate], None]


def ignore_progress(_: ProgressUpdate) -> None:
    """Do nothing: for callers that only want the rounds."""
