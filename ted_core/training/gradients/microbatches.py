"""Rows → the per-sample gradients of every layer, a microbatch at a time: one forward pass and one backward."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, TypeVar

import torch
from jaxtyping import Int64
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from ted_core.training.gradients.errors import LayerNotSupported
from ted_core.training.gradients.layers import by_layer
from ted_core.training.gradients.per_sample import LayerGradient, MaterializedGradient
from ted_core.training.gradients.plan import GradientPlan, plan_gradients
from ted_core.training.gradients.preconditioners import Metric
from ted_core.training.gradients.tracing import evaluation_mode, record_calls
from ted_core.training.objectives import per_sample_loss

T = TypeVar("T")
Gradients: TypeAlias = Iterator[tuple[str, LayerGradient]]
"""Every layer's name and its gradients for each row; a parameter without a closed form counts as a layer."""


def map_microbatches(
    model: nn.Module,
    inputs: Tensor,
    labels: Int64[Tensor, " samples"],
    *,
    metric: Metric,
    measure: Callable[[int, Gradients], T],
) -> list[T]:
    """Apply ``measure`` to rows and their gradients, as many at a time as memory allows.

    The model measures in evaluation mode and is left as it was. Raises LayerNotSupported.
    """
    if not len(inputs):
        return []
    with evaluation_mode(model):
        plan = plan_gradients(model, inputs, metric)
        microbatches = zip(
            torch.split(inputs, plan.microbatch_rows), torch.split(labels, plan.microbatch_rows), strict=True
        )
        return [measure(len(theirs), _gradients(model, some, theirs, plan=plan)) for some, theirs in microbatches]


def _gradients(model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], *, plan: GradientPlan) -> Gradients:
    if plan.layers:
        yield from _in_closed_form(model, inputs, labels, layers=plan.layers)
    if plan.other_parameters:
        yield from _written_out(model, inputs, labels, parameters=plan.other_parameters)


def _in_closed_form(
    model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], *, layers: Mapping[str, nn.Module]
) -> Gradients:
    with record_calls(layers) as calls:
        loss = per_sample_loss(model(inputs), labels).sum()
    # Asked only for the gradients of outputs, autograd skips the gradients of the weights.
    output_grads = torch.autograd.grad(loss, [call.output_edge for call in calls], allow_unused=True)
    return by_layer(
        (call, output_grad) for call, output_grad in zip(calls, output_grads, strict=True) if output_grad is not None
    )


def _written_out(
    model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], *, parameters: Mapping[str, nn.Parameter]
) -> Gradients:
    """One sample's loss, differentiated by these parameters, for all samples at once."""

    def loss(values: dict[str, Tensor], row: Tensor, label: Tensor) -> Tensor:
        return per_sample_loss(functional_call(model, values, (row[None],)), label[None])[0]

    values = {name: parameter.detach() for name, parameter in parameters.items()}
    try:
        with torch.no_grad():
            gradients = vmap(grad(loss), in_dims=(None, 0, 0))(values, inputs, labels)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LayerNotSupported(f"{', '.join(parameters)}: {error}") from error
    return ((name, MaterializedGradient(gradient.flatten(1))) for name, gradient in gradients.items())
