"""How well a model predicts samples. Torch-free."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class Predictions:
    """One model's, or several models', predictions of samples beside what was to be predicted."""

    performance: Float32[np.ndarray, " samples"]
    """exp(-loss): see ``ted_core.training.objectives.performance``."""
    right: Float32[np.ndarray, " samples"]
    """The share of each sample's predictions that are right: 0 or 1 if it has only one label."""
    margin: Float32[np.ndarray, " samples"]
    """The probability of what is right minus that of its strongest rival: see ``ted_core.training.objectives.Task``."""
    likeliest: Float32[np.ndarray, " samples"] | None = None
    """The number of the class that is given the largest probability; -1 where there is not one class to be named."""
