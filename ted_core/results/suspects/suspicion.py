"""How suspicious a label is: the odds that it is wrong, given what a model that has not seen the sample predicts.

If a label y stands where j is right in a share T_yj of the cases, Bayes' rule gives odds of Σ_j T_yj p_j / (T_yy p_y)
over the classes j other than y. Where all classes are mistaken for y alike, they rank samples as the probability of the
label does; where y stands mostly for one class, a sample that looks like that class is more suspicious than others. So
T is estimated from the samples on which the model contradicts the label most firmly (Northcutt et al. 2021, arXiv
1911.00068, count such pairs above class-wise thresholds), drawn towards all classes alike where they are few. The same
samples tell how far wrong labels depend on the sample beside its class (``ted_core.results.suspects.label_odds``).
"""

from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from ted_core.datasets import Samples
from ted_core.results.suspects.label_odds import ClassProbabilities
from ted_core.selection.rounds import Round
from ted_core.training.predictions import Predictions

SUREST_SHARE = 1 / 4
"""Among which part of the samples, those with the largest |margin|, pairs of classes are counted."""
PRIOR_COUNT = 100.0
"""Of each label, so many samples are added to those counted, shared evenly by all other classes."""
AT_A_TIME = 1 << 16
"""Samples whose odds are computed together: a dozen numbers for each of all samples would take more than the rest."""
FITTING_COUNT = 10.0
"""The same while it is asked how far wrong labels depend on the sample, lest it be taken for what classes explain."""


def suspicion(final: Round, samples: Samples) -> Float32[np.ndarray, " samples"] | None:
    """Return how suspicious each sample's label is; None if nothing was measured out of sample.

    The logarithm of the odds, up to a constant, by the last measurement. Where samples have not one class each, so that
    there are no such odds, the negative mean margin.
    """
    if final.margin is None or final.predictions is None:
        return None
    likeliest = final.predictions.likeliest
    if samples.multi_label or likeliest is None or (likeliest < 0).any():
        return -final.margin
    return log_odds(samples.labels, final.predictions, likeliest, classes=len(samples.classes))


def log_odds(
    labels: Int64[np.ndarray, " samples"],
    predictions: Predictions,
    likeliest: Float32[np.ndarray, " samples"],
    *,
    classes: int,
) -> Float32[np.ndarray, " samples"]:
    """Return the logarithm of the odds that each label is wrong, up to a constant.

    Of a sample whose label is the likeliest class, no rival is known: all other classes are taken alike.
    """
    contradicted, sure = predictions.margin < 0, _surest(predictions)
    pairs = labels[contradicted], likeliest[contradicted].astype(np.int64)
    count = partial(tendencies, *pairs, is_sure=sure[contradicted], classes=classes)
    explained = count(prior=FITTING_COUNT)[sure[contradicted]]
    probabilities = partial(ClassProbabilities.of, predictions, classes=classes)
    dependence = probabilities(samples=contradicted & sure).dependence(explained, sure=int(sure.sum()))
    tendency = np.ones(len(labels))
    tendency[contradicted] = count(prior=PRIOR_COUNT)
    odds = np.empty(len(labels), np.float32)
    for start in range(0, len(labels), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        odds[part] = probabilities(samples=part).log_odds(tendency[part], dependence)
    return odds


def tendencies(
    label: Int64[np.ndarray, " pairs"],
    rival: Int64[np.ndarray, " pairs"],
    *,
    is_sure: Bool[np.ndarray, " pairs"],
    classes: int,
    prior: float,
) -> Float[np.ndarray, " pairs"]:
    """Return how much more often each label stands for its rival than for other classes; 1 if for all alike.

    Only sure pairs are counted, beside ``prior`` of each label that all other classes share evenly. The mean over all
    classes other than the label is 1.
    """
    _, pair = np.unique(label * classes + rival, return_inverse=True)
    together = np.bincount(pair, weights=is_sure)[pair]
    of_label = np.bincount(label, weights=is_sure)[label]
    even = classes - 1
    return np.asarray((together + prior / even) / (of_label + prior) * even)


def _surest(predictions: Predictions) -> Bool[np.ndarray, " samples"]:
    sure = np.abs(predictions.margin)
    return np.asarray(sure >= np.quantile(sure, 1 - SUREST_SHARE))
