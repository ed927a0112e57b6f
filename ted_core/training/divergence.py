"""Whether training has diverged: a number is not finite, or the model has become worse than it was.

Losses, measurements, scores and curvature factors decide about rows and must be finite; and a loss may rise without
ever becoming infinite. Torch-free, since re-cuts need it too.
"""

from math import inf
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ted_core.errors import TrainingDiverged

RISE, NATS = 2, 1
"""A loss has risen if it is more than twice what it was, and by more than one nat: the probability of what is right has
fallen by more than a factor of e. Less may be chance in a first batch, labels without rhyme or reason, or a pretrained
model whose loss was low to begin with; whether such a model has learned anything, its accuracy says."""


def has_risen(loss: float, *, start: float) -> bool:
    """Whether the loss at the end of training lies far above that of the untrained model."""
    return loss > max(RISE * start, start + NATS)


def require_descent(loss: float, *, start: float, unseen: float = inf) -> None:
    """Raise TrainingDiverged if the loss has risen. Only the end counts: losses rise for a while in many a warm-up.

    If the mean loss on ``unseen`` rows is given, it must have risen, too: what was trained on last may be the hard rows
    alone, and a model that has learned its rows by heart may predict others badly.
    """
    if has_risen(loss, start=start) and has_risen(unseen, start=start):
        fact = f"The mean loss was {start:.4g} before training and {loss:.4g} after it"
        raise TrainingDiverged(fact, field="proxy.learning_rate")


@runtime_checkable
class TensorLike(Protocol):
    """A tensor, as far as this module knows tensors."""

    def isfinite(self) -> Any:
        """Whether each number is finite."""


Numbers = TypeVar("Numbers", bound=np.ndarray | float | TensorLike)


def require_finite(numbers: Numbers, name: str) -> Numbers:
    """The same numbers. Raises TrainingDiverged, which calls them ``name``, if one is infinite or not a number."""
    finite = np.isfinite(numbers) if isinstance(numbers, np.ndarray | float) else numbers.isfinite()
    if not finite.all():
        raise TrainingDiverged(f"{name} is infinite or not a number", field="proxy.learning_rate")
    return numbers
