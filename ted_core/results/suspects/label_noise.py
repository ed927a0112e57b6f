"""How many labels look wrong, with an interval, or why nobody knows."""

import numpy as np

from ted_core.datasets import Samples
from ted_core.results.provenance import LabelNoise, ProxyAccuracy
from ted_core.results.proxy_accuracy import is_believed
from ted_core.selection.margin import NoiseEstimate
from ted_core.selection.rounds import Round

NORMAL_95 = 1.96
"""Standard errors on either side of an estimate that make a 95 % interval."""


def label_noise(final: Round, samples: Samples, accuracy: ProxyAccuracy | None) -> LabelNoise | None:
    """Return how many labels look wrong.

    None if the method measures nothing out of sample, the proxy has not learned, rows have not one class each, or an
    installed package decides what the loss is.
    """
    if final.noise is None or not samples.one_class_each or not is_believed(accuracy):
        return None
    low, high = noise_interval(final.noise)
    return LabelNoise(share=final.noise.share, low=low, high=high, rows=round(final.noise.share * len(samples)))


def noise_interval(noise: NoiseEstimate) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted among some of the rows (Wilson 1927).

    Unlike share ± 1.96 standard errors it stays within [0, 1], and has a width even if no wrong label was found.
    """
    share, counted = noise.share, noise.rows_counted
    shrinkage = 1 + NORMAL_95**2 / counted
    centre = (share + NORMAL_95**2 / (2 * counted)) / shrinkage
    half = NORMAL_95 * np.sqrt(share * (1 - share) / counted + NORMAL_95**2 / (4 * counted**2)) / shrinkage
    return float(min(max(centre - half, 0.0), share)), float(max(min(centre + half, 1.0), share))


def why_no_estimate(*, method: str, task: str, has_learned: bool) -> str:
    """Say why a job with this method, of this task, has no estimate."""
    if not has_learned:
        return "The proxy has not learned, so it cannot tell which labels look wrong."
    if method != "ted":
        return (
            f"Method {method} does not ask models that have never seen a row, so it cannot tell which labels look "
            "wrong; method ted does."
        )
    if task == "causal-lm":
        return (
            "Answers have no classes, so no share of wrong ones is estimated; the rows are those to whose answers "
            "models that have never seen them prefer others, token by token."
        )
    return "A share of wrong labels is estimated only where every row has one class, and the loss is TED's own."
