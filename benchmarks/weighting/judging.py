"""How well a model predicts samples: accuracy, log loss, and how far its confidence is from its accuracy."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from ted_core.datasets import Samples
from ted_core.training.trainer import FittedModel

BINS = 15
SMALLEST_PROBABILITY = 1e-12

Probabilities = Float32[np.ndarray, "samples classes"]
Labels = Int64[np.ndarray, " samples"]


@dataclass(frozen=True)
class Quality:
    """Of one model's predictions."""

    accuracy: float
    log_loss: float
    """Mean negative log probability of the labels, in nats."""
    calibration_error: float
    """See ``calibration_error``."""

    @classmethod
    def of(cls, probabilities: Probabilities, labels: Labels) -> "Quality":
        """Judge these predictions by these labels."""
        hits = probabilities.argmax(1) == labels
        losses = losses_of(probabilities, labels)
        return cls(float(hits.mean()), float(losses.mean()), calibration_error(probabilities.max(1), hits))


@torch.inference_mode()
def probabilities_of(fitted: FittedModel, samples: Samples) -> Probabilities:
    """Return the probability of every class of every sample."""
    table = fitted.table.like(samples)
    fitted.trainer.model.eval()
    batches = [fitted.trainer.model(x).softmax(1) for x, _ in table.in_order(np.arange(len(samples)))]
    return np.asarray(torch.cat(batches).numpy())


def losses_of(probabilities: Probabilities, labels: Labels) -> Float[np.ndarray, " samples"]:
    """Return each sample's negative log probability of its label, in nats."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.maximum(own, SMALLEST_PROBABILITY)))


def calibration_error(confidence: Float[np.ndarray, " samples"], hits: np.ndarray) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, mean over 15 equally wide bins.

    Each bin counts by the samples in it (Guo et al. 2017, arXiv 1706.04599).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence - hits, minlength=BINS)
    return float(np.abs(gaps).sum() / len(hits))
