"""The facts that pruning yields."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt16


@dataclass(frozen=True)
class ProgressUpdate:
    """How much of the work is done, told while a round runs."""

    round: int
    rounds: int
    fraction: float
    """Of all rounds' work, between 0 and 1."""
    samples_trained: int


@dataclass(frozen=True)
class Candidate:
    """One way of selecting that was tried, and what it made of rows that it had not seen."""

    q: float | None
    """The exponent; None for class-stratified random rows."""
    accuracy: float
    """Estimated over all samples, of a proxy trained on this candidate's, from those that it was not trained on."""
    behind: float
    """How much lower that is than the chosen candidate's; below zero where it is higher."""
    standard_error: float
    """Of ``behind``."""


@dataclass(frozen=True)
class Choice:
    """How the exponent was chosen."""

    q: float | None
    """The exponent; None where class-stratified random rows were chosen."""
    reason: str
    candidates: tuple[Candidate, ...]
    """In the order they were tried."""
    samples_trained: int
    """Row-visits of training that the choice took."""
    samples_measured: int
    """Row-visits of measuring that it took."""


@dataclass(frozen=True)
class Round:
    """The state after one round; the last one is the selection."""

    number: int
    rounds: int
    retained: Bool[np.ndarray, " samples"]
    score: Float32[np.ndarray, " samples"]
    """NaN where the method measures nothing."""
    internal_generalization: Float32[np.ndarray, " samples"]
    """Mean performance so far of models that did not train on the sample; NaN where not measured."""
    last_round: UInt16[np.ndarray, " samples"]
    """The last round in which the sample was retained; 0 for never."""
    train_loss: float | None
    samples_trained: int
    """Row-visits of training so far."""
    samples_measured: int
    """Row-visits of measuring so far."""
    q: float | None = None
    """The exponent that ranked the samples; None where no performance did."""
    priority: Float[np.ndarray, " samples"] | None = None
    """What ranks the samples where it is not the score itself: the highest are retained."""
    inclusion_probability: Float[np.ndarray, " samples"] | None = None
    """Of each sample to be retained, where chance had a part in it."""
    choice: Choice | None = None
    """How the exponent was chosen, once the service itself has."""

    @property
    def mean_internal_generalization(self) -> float | None:
        """The mean over the pruned samples; None where nothing is pruned or measured."""
        pruned = self.internal_generalization[~self.retained]
        return float(pruned.mean()) if len(pruned) and not np.isnan(pruned).any() else None


ProgressCallback = Callable[[ProgressUpdate], None]


def ignore_progress(_: ProgressUpdate) -> None:
    """The watcher for those who only want the rounds."""
