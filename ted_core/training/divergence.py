"""Whether training has made a model worse than it was: the loss may rise without ever becoming infinite."""

from math import inf

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
