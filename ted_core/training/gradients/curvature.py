"""The curvature of a model's loss, layer by layer, as products of small factors: K-FAC.

Martens and Grosse 2015, arXiv 1503.05671; Grosse and Martens 2016, arXiv 1602.01407, for convolutions. The factors are
those of the *empirical* Fisher matrix, from the true labels and not from labels that the model draws: what moves the
parameters when the mask fluctuates are the gradients of real rows, and their covariance is the metric wanted here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ted_core.training.divergence import require_finite
from ted_core.training.gradients.errors import CurvatureMismatch
from ted_core.training.gradients.microbatches import Gradients, map_microbatches
from ted_core.training.gradients.preconditioners import (
    DensePreconditioner,
    DiagonalPreconditioner,
    Preconditioner,
    Preconditioners,
    euclidean,
)

DAMPING = 0.1
"""Relative to a layer's mean curvature, as in Grosse et al. 2023, arXiv 2308.03296."""
MOST_CURVATURE_ROWS = 2048
"""How many rows are enough for an estimate."""
SMALLEST = 1e-30
"""Stands for the mean of a factor that is 0, so that it can be inverted."""

Factors = dict[str, tuple[Tensor, ...]]


@dataclass(frozen=True)
class Curvature:
    """Each layer's Fisher matrix as A ⊗ G, damped and inverted."""

    preconditioners: Mapping[str, Preconditioners]
    """By layer."""
    shapes: Mapping[str, torch.Size]
    """Of the parameters that the model trained."""

    @classmethod
    def of(
        cls,
        model: nn.Module,
        batches: Iterable[tuple[Tensor, Tensor]],
        *,
        damping: float = DAMPING,
    ) -> "Curvature":
        """The curvature at the model as it is, in evaluation mode, estimated from these (inputs, labels).

        With a the inputs of a layer (and a 1 for the bias) and g the gradients of its outputs, A is the mean over rows
        and tokens of a ⊗ a and G the mean over rows of the sum over tokens of g ⊗ g. An embedding's A is the tokens'
        shares; a layer without a closed form, or a normalization, has one factor, the Fisher matrix itself. What is
        wider than MOST_WIDTH is diagonal. Raises LayerNotSupported, TrainingDiverged.
        """
        totals, rows = Factors(), 0
        for inputs, labels in batches:
            for moments in map_microbatches(model, inputs, labels, metric=euclidean, measure=_moments):
                _add(totals, moments)
            rows += len(labels)
        preconditioners = {
            layer: _preconditioners([total / rows for total in sums], damping=damping) for layer, sums in totals.items()
        }
        return cls(preconditioners, _trained_shapes(model))

    def check(self, model: nn.Module) -> None:
        """Raise CurvatureMismatch unless the model trains the parameters that the curvature was estimated for."""
        if not self.preconditioners:
            raise CurvatureMismatch("The curvature was estimated from no rows")
        shapes = _trained_shapes(model)
        other = sorted(name for name in {*shapes, *self.shapes} if shapes.get(name) != self.shapes.get(name))
        if other:
            raise CurvatureMismatch(f"It differs in {', '.join(other)}")

    def metric(self, layer: str) -> Preconditioners:
        """The preconditioners of a layer: roots of its inverted factors."""
        if layer not in self.preconditioners:
            raise CurvatureMismatch(f"Layer {layer!r} had no part in the loss of the rows it was estimated from")
        return self.preconditioners[layer]


def _moments(_: int, gradients: Gradients) -> Factors:
    return {layer: form.moments() for layer, form in gradients}


def _add(totals: Factors, moments: Factors) -> None:
    for layer, sums in moments.items():
        totals[layer] = tuple(map(add, totals[layer], sums)) if layer in totals else sums


def _trained_shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in model.named_parameters() if parameter.requires_grad}


def _preconditioners(factors: list[Tensor], *, damping: float) -> Preconditioners:
    """Factored Tikhonov damping: A + pi sqrt(l) I and G + sqrt(l) / pi I, where pi^2 is the ratio of their means.

    With l relative to the product of the means, as here, each factor is damped by the same share of its own mean.
    """
    return tuple(_preconditioner(factor, share=damping ** (1 / len(factors))) for factor in factors)


def _preconditioner(factor: Tensor, *, share: float) -> Preconditioner:
    # Small numbers squared are smaller still, and not every device has float64.
    return INVERTED[factor.ndim](require_finite(factor.cpu().double(), "The curvature"), share, factor)


def _diagonal(factor: Float[Tensor, "blocks width"], share: float, like: Tensor) -> DiagonalPreconditioner:
    return DiagonalPreconditioner((factor + share * _mean(factor)).rsqrt().to(like))


def _dense(factor: Float[Tensor, "blocks width width"], share: float, like: Tensor) -> DensePreconditioner:
    """The inverse of the damped factor's Cholesky factor, transposed."""
    unit = torch.eye(factor.shape[1], dtype=factor.dtype)
    damped = factor + share * _mean(factor.diagonal(dim1=1, dim2=2))[..., None] * unit
    return DensePreconditioner(
        torch.linalg.solve_triangular(torch.linalg.cholesky(damped), unit, upper=False).mT.to(like)
    )


INVERTED: Mapping[int, Callable[[Tensor, float, Tensor], Preconditioner]] = {2: _diagonal, 3: _dense}
"""By the number of a factor's axes."""


def _mean(diagonal: Float[Tensor, "blocks width"]) -> Float[Tensor, "blocks 1"]:
    return diagonal.mean(1, keepdim=True).clamp(min=SMALLEST)
