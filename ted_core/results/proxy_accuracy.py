"""How well the proxy predicts rows that it has not trained on, and whether that is more than the classes' shares tell.

What a row's score and reason are worth hangs on this: a proxy that has learned nothing calls every row of a rare class
hard, and every row of a common one redundant (docs/decisions/0021-a-proxy-that-learned-nothing.md).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from ted_core.datasets import Samples
from ted_core.results.provenance import ProxyAccuracy
from ted_core.training.predictions import Predictions

SMALLEST_SKILL = 0.1
"""How far a proxy must come on the way from what a constant prediction achieves to certainty."""
STANDARD_ERRORS = 2
"""By how many a gain must lie above zero."""
TINY = float(np.finfo(np.float32).tiny)

PerSample = Float[np.ndarray, " samples"]


@dataclass(frozen=True)
class Reference:
    """What there was to beat: predictions by someone who knows no inputs, or by the model before its training."""

    performance: PerSample | None
    """None if the task's loss is an installed package's, so that nobody knows what a constant would achieve."""
    right: PerSample
    chance: float | None
    """Accuracy of guessing all classes alike; None for a language model."""
    smallest_skill: float

    @classmethod
    def of_model(cls, base: Predictions) -> "Reference":
        """What a pretrained model predicts: any gain on it is learned."""
        performance, right = (values.astype(np.float64) for values in (base.performance, base.right))
        return cls(performance, right, chance=None, smallest_skill=0.0)


def proxy_accuracy(
    predictions: Predictions | None, samples: Samples, *, base: Predictions | None = None
) -> ProxyAccuracy | None:
    """The accuracy of these out-of-sample predictions, and what it is to be compared with; None if there are none.

    ``base`` are the predictions of the pretrained language model that the proxy started from.
    """
    if predictions is None:
        return None
    reference = _reference(samples, base)
    right = predictions.right.astype(np.float64)
    known = reference is not None and reference.chance is not None
    return ProxyAccuracy(
        out_of_sample=float(right.mean()),
        standard_error=_standard_error(right),
        majority_class=float(reference.right.mean()) if reference and known else None,
        chance=reference.chance if reference else None,
        base_model=float(reference.right.mean()) if reference and not known else None,
        performance=float(predictions.performance.mean(dtype=np.float64)),
        reference_performance=_mean(reference.performance if reference else None),
        has_learned=_has_learned(predictions, reference) if reference else None,
    )


def is_believed(accuracy: ProxyAccuracy | None) -> bool:
    """Whether what the proxy says about single rows means anything."""
    return accuracy is None or accuracy.has_learned is not False


def _has_learned(predictions: Predictions, reference: Reference) -> bool:
    """Whether the predictions are clearly better than the reference's.

    Performance alone would not do: it rises, too, if the majority class is named with certainty. So there must be a
    gain that no constant prediction can make, in accuracy or in likelihood. Nor would accuracy: the most likely class
    may be right though the model knows next to nothing, and scores and reasons rest on performance.
    """
    least = reference.smallest_skill
    in_accuracy = _is_clear(predictions.right - reference.right, room=1 - reference.right, least=least)
    if reference.performance is None:
        return in_accuracy
    performance, constant = predictions.performance.astype(np.float64), reference.performance
    in_likelihood = _is_clear(_log(performance) - _log(constant), room=-_log(constant), least=least)
    return (in_accuracy or in_likelihood) and _is_clear(performance - constant, room=1 - constant, least=least)


def _is_clear(gains: PerSample, *, room: PerSample, least: float) -> bool:
    """Whether the mean gain lies above zero by more than chance explains, and is at least this part of the room."""
    mean = float(gains.mean(dtype=np.float64))
    return mean > STANDARD_ERRORS * _standard_error(gains) and mean >= least * float(room.mean())


def _standard_error(values: PerSample) -> float:
    """Of the mean."""
    return float(values.std(dtype=np.float64)) / float(np.sqrt(len(values)))


def _mean(values: PerSample | None) -> float | None:
    return None if values is None else float(values.mean(dtype=np.float64))


def _log(performance: PerSample) -> PerSample:
    return np.asarray(np.log(np.maximum(performance, TINY)))


def _reference(samples: Samples, base: Predictions | None) -> Reference | None:
    """What there was to beat; None for a language model that nobody measured before its training."""
    if samples.kind == "dialogue":
        return Reference.of_model(base) if base else None
    of_shares = _of_labels if samples.multi_label else _of_classes
    found = of_shares(samples)
    return found if samples.task is None else Reference(None, found.right, found.chance, found.smallest_skill)


def _of_classes(samples: Samples) -> Reference:
    """By the classes' shares; where only one is to be named, by the most frequent one."""
    rows = np.bincount(samples.labels, minlength=len(samples.classes))
    share = rows / len(samples)
    return Reference(
        share[samples.labels],
        (samples.labels == rows.argmax()).astype(np.float64),
        chance=1 / len(samples.classes),
        smallest_skill=SMALLEST_SKILL,
    )


def _of_labels(samples: Samples) -> Reference:
    """By each label's share; where only yes or no is to be said, by what is more frequent."""
    labels: Float32[np.ndarray, "samples classes"] = samples.labels
    share = labels.mean(0, dtype=np.float64)
    log_yes, log_no = _log(share), _log(1 - share)
    loss = -(labels @ log_yes + (1 - labels) @ log_no) / labels.shape[1]
    right = ((labels > 0) == (share > 1 / 2)).mean(1)
    return Reference(np.exp(-loss), right, chance=1 / 2, smallest_skill=SMALLEST_SKILL)
