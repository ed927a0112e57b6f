"""The internal generalization distance of every sample, and what the twins measure to get it.

Concepts from arXiv 2405.03228; the closed form is our construction. A small fluctuation of the mask moves the
parameters by dθ and a performance a = exp(-loss), measured on the Box-Cox scale a^q/q (the generalized cross-entropy of
Zhang and Sabuncu 2018, up to sign), by -a^q ∇loss·dθ. Taking the gradient in logit space, where softmax cross-entropy
gives the true label the component 1 - a, the first-order distance is a^q (1 - a).
"""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32

from ted_core.plan import ScoreName
from ted_core.storage.checkpoint import StateDict, of_array, of_number

RESOLUTION = 1e-4
"""Performances nearer to 0 or to 1 than this are not told apart, so that every sample has some chance to stay."""


def distance(performance: Float[np.ndarray, " samples"], q: float) -> Float[np.ndarray, " samples"]:
    """s = a^q (1 - a) of each sample's mean out-of-sample performance a in [0, 1]; largest where a = q/(q + 1)."""
    a = clip_performance(performance)
    return np.asarray(a**q * (1 - a))


def clip_performance(performance: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " samples"]:
    """The performances, kept apart from 0 and 1."""
    return np.asarray(np.clip(performance, RESOLUTION, 1 - RESOLUTION))


def turning_point(q: float) -> float:
    """The performance with the largest distance: rows above it are pruned as redundant, rows below as hard."""
    return q / (q + 1)


@runtime_checkable
class Measures(Protocol):
    """What can be asked of twins."""

    def out_of_sample_performance(self) -> Float32[np.ndarray, " samples"]:
        """See ``ted_core.selection.twins``."""

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """See ``ted_core.selection.twins``."""


class LogitScore:
    """The distance with its gradient taken in the logits: a forward pass is all it needs."""

    def __init__(self, samples: int) -> None:
        self.times = 0
        self.performance: Float[np.ndarray, " samples"] = np.zeros(samples)
        """Internal generalization: the mean performance under the twin that has not trained on the sample."""

    def update(self, twins: Measures, retained: Bool[np.ndarray, " samples"]) -> None:
        """Measure once more. The twins have last trained on the retained samples."""
        self.times += 1
        self.performance += (twins.out_of_sample_performance() - self.performance) / self.times

    @property
    def internal_generalization(self) -> Float32[np.ndarray, " samples"]:
        """The performance, for the record: NaN before the first measurement."""
        return (self.performance if self.times else np.full(len(self.performance), np.nan)).astype(np.float32)

    def score(self, q: float | None) -> Float[np.ndarray, " samples"]:
        """How much each sample is worth keeping; all the same where there is no exponent."""
        return np.ones(len(self.performance)) if q is None else self._score(q)

    def _score(self, q: float) -> Float[np.ndarray, " samples"]:
        return distance(self.performance, q)

    def state_dict(self) -> StateDict:
        """The means, and over how many measurements."""
        return {"times": of_number(self.times), "performance": of_array(self.performance)}

    def load_state_dict(self, state: StateDict) -> None:
        """Go on from these means."""
        self.times, self.performance = int(state["times"]), state["performance"].numpy()


class ParameterScore(LogitScore):
    """The distance with its gradient taken in the parameters, in the metric of their fluctuations: a^q ‖∇loss‖."""

    def __init__(self, samples: int) -> None:
        super().__init__(samples)
        self.gradient: Float[np.ndarray, " samples"] = np.zeros(samples)

    def update(self, twins: Measures, retained: Bool[np.ndarray, " samples"]) -> None:
        """Measure once more; the metric is that of the samples which each twin was trained on."""
        super().update(twins, retained)
        self.gradient += (twins.out_of_sample_gradient_norm(retained) - self.gradient) / self.times

    def _score(self, q: float) -> Float[np.ndarray, " samples"]:
        return np.asarray(
            np.maximum(clip_performance(self.performance) ** q * self.gradient, np.finfo(np.float32).tiny)
        )

    def state_dict(self) -> StateDict:
        """The means, that of the gradients among them."""
        return {**super().state_dict(), "gradient": of_array(self.gradient)}

    def load_state_dict(self, state: StateDict) -> None:
        """Go on from these means."""
        super().load_state_dict(state)
        self.gradient = state["gradient"].numpy()


SCORES: Mapping[ScoreName, Callable[[int], LogitScore]] = {"logit": LogitScore, "parameter": ParameterScore}
