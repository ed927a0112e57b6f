"""How well the twins predict every sample, averaged over the measurements, and the score that follows from it."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32

from ted_core.plan import ScoreName
from ted_core.selection.distance import clip_performance, distance
from ted_core.storage.checkpoint import StateDict, of_array, of_number


@runtime_checkable
class Measures(Protocol):
    """What twins can measure."""

    def out_of_sample_performance(self) -> Float32[np.ndarray, " samples"]:
        """See ``ted_core.selection.twins``."""

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """See ``ted_core.selection.twins``."""


class LogitScore:
    """The distance with its gradient taken in the logits; a forward pass is all it needs."""

    def __init__(self, samples: int) -> None:
        self.times = 0
        self.performance: Float[np.ndarray, " samples"] = np.zeros(samples)
        """Internal generalization: the mean performance under the twin that has not trained on the sample."""

    def update(self, twins: Measures, retained: Bool[np.ndarray, " samples"]) -> None:
        """Measure every sample once more. The twins have last trained on the retained samples."""
        self.times += 1
        self.performance += (twins.out_of_sample_performance() - self.performance) / self.times

    @property
    def internal_generalization(self) -> Float32[np.ndarray, " samples"]:
        """The mean performance so far; NaN before the first measurement."""
        return (self.performance if self.times else np.full(len(self.performance), np.nan)).astype(np.float32)

    def score(self, q: float | None) -> Float[np.ndarray, " samples"]:
        """How much each sample is worth keeping; all the same if there is no exponent."""
        return np.ones(len(self.performance)) if q is None else self._score(q)

    def _score(self, q: float) -> Float[np.ndarray, " samples"]:
        return distance(self.performance, q)

    def state_dict(self) -> StateDict:
        """The mean, and the number of measurements that it is over."""
        return {"times": of_number(self.times), "performance": of_array(self.performance)}

    def load_state_dict(self, state: StateDict) -> None:
        """Resume from these means."""
        self.times = int(state["times"])
        self.performance = state["performance"].numpy()


class ParameterScore(LogitScore):
    """The distance with its gradient taken in the parameters, in the metric of their fluctuations: a^q ‖∇loss‖."""

    def __init__(self, samples: int) -> None:
        super().__init__(samples)
        self.gradient: Float[np.ndarray, " samples"] = np.zeros(samples)

    def update(self, twins: Measures, retained: Bool[np.ndarray, " samples"]) -> None:
        """Measure every sample once more, gradients in the metric of the samples that each twin was trained on."""
        super().update(twins, retained)
        self.gradient += (twins.out_of_sample_gradient_norm(retained) - self.gradient) / self.times

    def _score(self, q: float) -> Float[np.ndarray, " samples"]:
        score = clip_performance(self.performance) ** q * self.gradient
        return np.asarray(np.maximum(score, np.finfo(np.float32).tiny))

    def state_dict(self) -> StateDict:
        """The means of performance and of gradient norm."""
        return {**super().state_dict(), "gradient": of_array(self.gradient)}

    def load_state_dict(self, state: StateDict) -> None:
        """Resume from these means."""
        super().load_state_dict(state)
        self.gradient = state["gradient"].numpy()


SCORES: Mapping[ScoreName, Callable[[int], LogitScore]] = {"logit": LogitScore, "parameter": ParameterScore}
