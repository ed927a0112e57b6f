"""Ways in which labels go wrong."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Int64
from sklearn.linear_model import LogisticRegression

from benchmarks.random_streams import BenchmarkStream
from ted_core.datasets import Samples
from ted_core.random_streams import stream_rng

ONE_IN = 5
"""Of so many classes one is labelled badly."""
WEAK_MODEL_ROWS, WEAK_MODEL_STRENGTH = 600, 0.01

Labels = Int64[np.ndarray, " samples"]
Wrong = Callable[[Samples, np.random.Generator], Labels]
"""(samples, random numbers) → every sample's label, some of them wrong."""


def symmetric(samples: Samples, rng: np.random.Generator, *, share: float) -> Labels:
    """Return labels of which this share is any other class, each as likely."""
    return np.where(rng.random(len(samples)) < share, _others(samples, rng), samples.labels)


def pairs(samples: Samples, rng: np.random.Generator, *, share: float) -> Labels:
    """Return labels of which this share is the next class."""
    following = (samples.labels + 1) % len(samples.classes)
    return np.where(rng.random(len(samples)) < share, following, samples.labels)


def bad_classes(samples: Samples, rng: np.random.Generator, *, share: float) -> Labels:
    """Return labels of which this share is wrong in the first fifth of the classes, and none in the others."""
    bad = samples.labels < max(1, len(samples.classes) // ONE_IN)
    return np.where(bad & (rng.random(len(samples)) < share), _others(samples, rng), samples.labels)


def weak_model(samples: Samples, rng: np.random.Generator, *, share: float) -> Labels:
    """Return labels of which this share is what a weak linear model takes for likeliest beside the true class.

    The wrong labels are those that it is surest about: noise that depends on the inputs.
    """
    inputs = _standardized(samples)
    some = rng.permutation(len(samples))[:WEAK_MODEL_ROWS]
    model = LogisticRegression(max_iter=200, C=WEAK_MODEL_STRENGTH).fit(inputs[some], samples.labels[some])
    probability = np.zeros((len(samples), len(samples.classes)))
    probability[:, model.classes_] = model.predict_proba(inputs)
    probability[np.arange(len(samples)), samples.labels] = -1
    doubt = probability.max(1) + rng.normal(0, 0.1, len(samples))
    return np.where(doubt >= np.quantile(doubt, 1 - share), probability.argmax(1), samples.labels)


def _standardized(samples: Samples) -> np.ndarray:
    assert isinstance(samples.inputs, np.ndarray), "a linear model takes numbers"  # noqa: S101
    flat = samples.inputs.reshape(len(samples), -1).astype(np.float64)
    return np.asarray((flat - flat.mean(0)) / (flat.std(0) + 1e-6))


def _others(samples: Samples, rng: np.random.Generator) -> Labels:
    classes = len(samples.classes)
    return np.asarray((samples.labels + rng.integers(1, classes, len(samples))) % classes)


KINDS: Mapping[str, Wrong] = {
    "clean": partial(symmetric, share=0.0),
    **{f"symmetric-{percent}": partial(symmetric, share=percent / 100) for percent in (10, 20, 40)},
    "pairs-20": partial(pairs, share=0.2),
    "bad-classes-40": partial(bad_classes, share=0.4),
    "weak-model-20": partial(weak_model, share=0.2),
}


def with_wrong_labels(samples: Samples, kind: str, *, seed: int) -> tuple[Samples, Bool[np.ndarray, " samples"]]:
    """Give samples labels of which some are wrong in this way; also return which those are."""
    labels = KINDS[kind](samples, stream_rng(seed, BenchmarkStream.WRONG_LABELS))
    return replace(samples, labels=labels.astype(np.int64)), labels != samples.labels
