"""The first twin before any training: what it is made of and, if it is a language model, what it knows already."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from torch import nn

from ted_core.datasets import Samples
from ted_core.plan import PruningPlan
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.selection.twins import initial_seeds
from ted_core.training.predictions import Predictions
from ted_core.training.trainer import Trainer, batches_of

UNTRAINED_METHODS = {"random", "stratified"}
"""Methods that train nothing."""


@dataclass(frozen=True)
class BaseModel:
    """A proxy before training. While it is referenced, adapters of the same language model find that in memory."""

    model: nn.Module
    predictions: Predictions | None
    """Of each dialogue by the pretrained model θ₀. None for proxies that start from random weights, or with a random
    head."""

    @property
    def performance(self) -> Float32[np.ndarray, " samples"] | None:
        """Each dialogue's under the pretrained model."""
        return self.predictions.performance if self.predictions else None

    @property
    def rows_measured(self) -> int:
        """Row-visits of measuring that it took."""
        return len(self.predictions.performance) if self.predictions else 0


def base_model(samples: Samples, plan: PruningPlan, proxy: ResolvedProxy, *, device: str = "cpu") -> BaseModel | None:
    """The first twin of this plan, untrained; None if the method trains nothing. Raises ProxyMismatch, UnknownModel."""
    if plan.method in UNTRAINED_METHODS:
        return None
    model = build(proxy, samples, seed=initial_seeds(plan.seed)[0])
    if proxy.model_path is None or samples.kind != "dialogue":
        return BaseModel(model, None)
    return BaseModel(model, base_predictions(model, samples, proxy, device=device))


def base_predictions(model: nn.Module, samples: Samples, proxy: ResolvedProxy, *, device: str = "cpu") -> Predictions:
    """What a model that has not been trained makes of each sample; an untrained adapter changes nothing.

    Raises NothingToLearn.
    """
    rows = np.arange(len(samples))
    return Trainer(model, proxy, device=device).predictions(batches_of(samples, proxy, device=device), rows)
