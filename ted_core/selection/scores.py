"""How well the twins predict every sample, averaged over the measurements, and the score that follows from it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32

from ted_core.plan import PruningPlan, ScoreName
from ted_core.selection.distance import clip_performance, distance
from ted_core.selection.margin import NoiseEstimate, PerSample, cut_margin, cut_share, estimate_noise, margin_score
from ted_core.storage.checkpoint import StateDict, of_array, of_number
from ted_core.training.predictions import Predictions


@runtime_checkable
class Measures(Protocol):
    """What twins can measure beside their predictions."""

    def out_of_sample_gradient_norm(self, retained: Bool[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
        """See ``ted_core.selection.twins``."""


class Measurements:
    """What the twins predict, averaged over the measurements; the base of every score."""

    MEANS: tuple[str, ...] = ("performance", "margin")
    """The attributes that are means over the measurements."""

    def __init__(self, samples: int, plan: PruningPlan) -> None:
        self.plan, self.times = plan, 0
        self.noise: NoiseEstimate | None = None
        """How many labels look wrong; None before the first measurement."""
        self.performance: PerSample = np.zeros(samples)
        """Internal generalization: the mean performance under the twin that has not trained on the sample."""
        self.margin: PerSample = np.zeros(samples)
        """The mean margin under the same twin."""

    def update(self, predictions: Predictions, twins: Measures, *, retained: Bool[np.ndarray, " samples"]) -> None:
        """Add what the twins, which have last trained on the retained samples, have just predicted."""
        self.times += 1
        for name, values in self._measured(predictions, twins, retained).items():
            setattr(self, name, (mean := getattr(self, name)) + (values - mean) / self.times)
        self.noise = estimate_noise(self.performance, self.margin)

    def _measured(
        self, predictions: Predictions, _: Measures, __: Bool[np.ndarray, " samples"]
    ) -> Mapping[str, Float32[np.ndarray, " samples"]]:
        return {"performance": predictions.performance, "margin": predictions.margin}

    def mean(self, name: str) -> Float32[np.ndarray, " samples"]:
        """The mean of this name so far; NaN before the first measurement."""
        values: PerSample = getattr(self, name)
        return (values if self.times else np.full(len(values), np.nan)).astype(np.float32)

    def state_dict(self) -> StateDict:
        """The means, and the number of measurements that they are over."""
        return {"times": of_number(self.times)} | {name: of_array(getattr(self, name)) for name in self.MEANS}

    def load_state_dict(self, state: StateDict) -> None:
        """Resume from these means."""
        self.times = int(state["times"])
        for name in self.MEANS:
            setattr(self, name, state[name].numpy())
        self.noise = estimate_noise(self.performance, self.margin) if self.times else None


class Score(Measurements, ABC):
    """How much each sample is worth keeping, as far as it has been measured."""

    def at(self, keep_ratio: float) -> "Score":
        """The same measurements, scored for another keep ratio."""
        other = copy(self)
        other.plan = self.plan.keeping(keep_ratio)
        return other

    @property
    @abstractmethod
    def order(self) -> PerSample:
        """What the score is a function of, from hard samples to easy ones."""

    @abstractmethod
    def score(self, q: float | None = None) -> PerSample:
        """How much each sample is worth keeping; all the same where nothing tells them apart."""


class MarginScore(Score):
    """The movement of the margin, without labels that look wrong; forward passes are all it needs."""

    @property
    def order(self) -> PerSample:
        """The margin."""
        return self.margin

    @property
    def cut(self) -> float:
        """The margin below which samples are cut off."""
        noise = self.noise
        assert noise is not None, "scores follow from measurements"  # noqa: S101
        return cut_margin(self.margin, share=cut_share(noise), keep_ratio=self.plan.ratio)

    def score(self, _: float | None = None) -> PerSample:
        """How much each sample is worth keeping; there is no exponent."""
        return margin_score(self.margin, cut=self.cut) if self.times else np.ones(len(self.margin))


class ProbabilityScore(Score):
    """The movement of the performance a on the scale of an exponent q, in the logits: a^q (1 - a)."""

    @property
    def order(self) -> PerSample:
        """The performance."""
        return self.performance

    def score(self, q: float | None = None) -> PerSample:
        """How much each sample is worth keeping with the exponent ``q``; all the same without one."""
        return np.ones(len(self.performance)) if q is None else self._score(q)

    def _score(self, q: float) -> PerSample:
        return distance(self.performance, q)


class ParameterScore(ProbabilityScore):
    """The same with the gradient taken in the parameters, in the metric of their fluctuations: a^q ‖∇loss‖."""

    MEANS = (*Measurements.MEANS, "gradient")

    def __init__(self, samples: int, plan: PruningPlan) -> None:
        super().__init__(samples, plan)
        self.gradient: PerSample = np.zeros(samples)

    def _measured(
        self, predictions: Predictions, twins: Measures, retained: Bool[np.ndarray, " samples"]
    ) -> Mapping[str, Float32[np.ndarray, " samples"]]:
        """Gradients too, in the metric of the samples that each twin was trained on."""
        gradient = twins.out_of_sample_gradient_norm(retained)
        return {**super()._measured(predictions, twins, retained), "gradient": gradient}

    def _score(self, q: float) -> PerSample:
        score = clip_performance(self.performance) ** q * self.gradient
        return np.asarray(np.maximum(score, np.finfo(np.float32).tiny))


SCORES: Mapping[ScoreName, Callable[[int, PruningPlan], Score]] = {
    "margin": MarginScore,
    "probability": ProbabilityScore,
    "parameter": ParameterScore,
}
