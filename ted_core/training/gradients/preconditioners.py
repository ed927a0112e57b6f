"""Square roots of an inverted curvature factor: what turns a Euclidean norm into one in the curvature's metric.

Any R with R R^T = C^-1 serves: norms do not change under the rotation by which one such root differs from another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class IdentityPreconditioner:
    """The preconditioner of no curvature at all."""

    multiplications: int = 0
    """What one vector costs."""

    def apply(self, vectors: Tensor) -> Tensor:
        """The vectors as they are."""
        return vectors


@dataclass(frozen=True)
class DiagonalPreconditioner:
    """One scale for every coordinate."""

    scale: Float[Tensor, "blocks width"]

    @property
    def multiplications(self) -> int:
        """What one vector costs."""
        return self.scale.shape[1]

    def apply(self, vectors: Float[Tensor, "blocks *vectors width"]) -> Float[Tensor, "blocks *vectors width"]:
        """Every vector of a block times the block's scale."""
        blocks, width = self.scale.shape
        return vectors * self.scale.view(blocks, *(1,) * (vectors.ndim - 2), width)


@dataclass(frozen=True)
class DensePreconditioner:
    """A full matrix, applied to row vectors from the right."""

    matrix: Float[Tensor, "blocks width width"]

    @property
    def multiplications(self) -> int:
        """What one vector costs."""
        return self.matrix.shape[1] ** 2

    def apply(self, vectors: Float[Tensor, "blocks *vectors width"]) -> Float[Tensor, "blocks *vectors width"]:
        """Every vector of a block times the block's matrix."""
        return (vectors.flatten(1, -2) @ self.matrix).view_as(vectors)


Preconditioner: TypeAlias = IdentityPreconditioner | DiagonalPreconditioner | DensePreconditioner
Preconditioners: TypeAlias = tuple[Preconditioner, ...]
"""One for each factor of a layer's curvature, in the order of its moments."""
Metric: TypeAlias = Callable[[str], Preconditioners]
"""A layer's name → its preconditioners."""


def euclidean(_: str) -> Preconditioners:
    """The metric in which a gradient's norm is the ordinary one."""
    return IdentityPreconditioner(), IdentityPreconditioner()
