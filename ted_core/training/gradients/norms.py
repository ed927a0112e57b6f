"""How long each sample's gradient is, without writing it out."""

from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ted_core.training.gradients.curvature import Curvature
from ted_core.training.gradients.microbatches import Gradients, map_microbatches
from ted_core.training.gradients.preconditioners import Metric, euclidean


def gradient_norms(model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    """The Euclidean norm of each sample's cross-entropy gradient by all trained parameters.

    The model measures in evaluation mode. A microbatch holds at most MICROBATCH_BYTES, or what one row needs.
    Raises LayerNotSupported.
    """
    return _norms(model, inputs, labels, metric=euclidean)


def preconditioned_norms(
    model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], curvature: Curvature
) -> Float[Tensor, " samples"]:
    """The norm of each sample's gradient in the curvature's metric: the root of the sum over layers of
    ||A^-1/2 gradient G^-1/2||_F^2.

    Otherwise as ``gradient_norms``. Raises LayerNotSupported, CurvatureMismatch.
    """
    curvature.check(model)
    return _norms(model, inputs, labels, metric=curvature.metric)


def _norms(
    model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], *, metric: Metric
) -> Float[Tensor, " samples"]:
    norms = map_microbatches(model, inputs, labels, metric=metric, measure=partial(_norms_of, metric, labels.device))
    return torch.cat(norms) if norms else torch.zeros(0, device=labels.device)


def _norms_of(metric: Metric, device: torch.device, rows: int, gradients: Gradients) -> Float[Tensor, " rows"]:
    squares = torch.zeros(rows, device=device)
    for layer, gradient in gradients:
        squares = squares + gradient.squared_norms(metric(layer))
    # A ghost norm near 0 may be rounded to below it.
    return squares.clamp(min=0).sqrt()
