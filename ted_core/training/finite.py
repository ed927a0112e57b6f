"""The one check that a number which decides about rows is finite: losses, measurements, scores, curvature factors.

Torch-free, since re-cuts need it too.
"""

from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ted_core.errors import TrainingDiverged


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
