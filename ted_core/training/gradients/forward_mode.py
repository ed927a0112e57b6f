"""How fast each sample's loss grows along one direction of the parameters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call, jvp

from ted_core.training.gradients.errors import DirectionMismatch, LayerNotSupported
from ted_core.training.gradients.plan import plan_gradients
from ted_core.training.gradients.preconditioners import euclidean
from ted_core.training.gradients.tracing import evaluation_mode
from ted_core.training.objectives import per_sample_loss


def directional_derivatives(
    model: nn.Module, inputs: Tensor, labels: Int64[Tensor, " samples"], direction: Mapping[str, Tensor]
) -> Float[Tensor, " samples"]:
    """Each sample's cross-entropy gradient times the direction, exactly; parameters that it leaves out are held fixed.

    Forward-mode differentiation: one forward pass that carries derivatives along, for as many rows at a time as memory
    allows. It wants a forward derivative of everything the model computes. Fused attention has none, so attention is
    written out (the math kernel) and the encoder's fast path is off; batch normalization has one in evaluation mode,
    in which the model measures; nn.EmbeddingBag has none, and a Python-level autograd function only with a ``jvp`` of
    its own. Raises DirectionMismatch, LayerNotSupported.
    """
    values = {name: parameter.detach() for name, parameter in model.named_parameters()}
    _check(direction, values)
    tangents = {name: direction.get(name, torch.zeros_like(value)).to(value) for name, value in values.items()}
    if not len(inputs):
        return torch.zeros(0, device=labels.device)
    with evaluation_mode(model), _padding_still(model):
        rows = plan_gradients(model, inputs, euclidean).microbatch_rows
        microbatches = zip(torch.split(inputs, rows), torch.split(labels, rows), strict=True)
        return torch.cat(
            [
                _directional_derivatives(model, some, theirs, values=values, tangents=tangents)
                for some, theirs in microbatches
            ]
        )


def _check(direction: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    wrong = [name for name, tangent in direction.items() if name not in values or tangent.shape != values[name].shape]
    if wrong:
        raise DirectionMismatch(f"The model has no parameter of that name and shape: {', '.join(wrong)}")


@contextmanager
def _padding_still(model: nn.Module) -> Iterator[None]:
    """Within, no derivative passes through an embedding's padding: training leaves its vector alone."""
    hooks = [
        module.register_forward_hook(partial(_stop_at, module.padding_idx), with_kwargs=True, prepend=True)
        for module in model.modules()
        if isinstance(module, nn.Embedding) and module.padding_idx is not None
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _stop_at(
    padding: int, _: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor
) -> Tensor:
    (tokens,) = (*inputs, *named.values())
    return torch.where(tokens.eq(padding).unsqueeze(-1), output.detach(), output)


def _directional_derivatives(
    model: nn.Module,
    inputs: Tensor,
    labels: Int64[Tensor, " samples"],
    *,
    values: dict[str, Tensor],
    tangents: dict[str, Tensor],
) -> Float[Tensor, " samples"]:
    def losses(parameters: dict[str, Tensor]) -> Tensor:
        return per_sample_loss(functional_call(model, parameters, (inputs,)), labels)

    try:
        with torch.no_grad():
            derivatives: Tensor = jvp(losses, (values,), (tangents,))[1]
    except NotImplementedError as error:
        raise LayerNotSupported(f"No forward derivative: {error}") from error
    return derivatives
