"""What a model's forward pass shows of its layers: what each was given and where its output entered the graph."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge, saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel

from ted_core.training.gradients.errors import LayerNotSupported


@dataclass(frozen=True)
class LayerCall:
    """One use of one layer."""

    layer: str
    module: nn.Module
    activations: Tensor
    output_zeros: Tensor
    """Zeros of the output's shape and type, without its memory."""
    output_edge: GradientEdge
    """Where the gradient of the output arrives, whatever was done to the output in place afterwards."""


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, and let it compute attention in a way that has every derivative.

    Raises LayerNotSupported where a sample's logits would depend on the other samples.
    """
    modes = {module: module.training for module in model.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    try:
        _refuse_mixing(model)
        torch.backends.mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, mode in modes.items():
            module.training = mode


def _refuse_mixing(model: nn.Module) -> None:
    for name, module in model.named_modules():
        # The name has an underscore, but there is no other for what all batch normalizations share.
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise LayerNotSupported(f"{name or 'the model'} keeps no running statistics and normalizes by its batch")


@contextmanager
def record_calls(layers: Mapping[str, nn.Module]) -> Iterator[list[LayerCall]]:
    """Record the calls of these layers inside the ``with`` block, in order."""
    calls: list[LayerCall] = []
    hooks = [
        # First among a layer's hooks: another may replace the output.
        module.register_forward_hook(partial(_record, calls, name), with_kwargs=True, prepend=True)
        for name, module in layers.items()
    ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _record(  # noqa: PLR0917 - what a forward hook is called with
    calls: list[LayerCall], name: str, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor
) -> Tensor:
    (activations,) = (*inputs, *named.values())
    output_zeros = output.new_zeros(()).expand(output.shape)
    calls.append(LayerCall(name, module, activations.detach(), output_zeros, get_gradient_edge(output)))
    # Overwriting a view in place replaces its edge by another; overwriting a copy of it does not.
    return output.clone() if output._is_view() else output


@dataclass(frozen=True)
class Trace:
    """A forward pass."""

    calls: list[LayerCall]
    reached: frozenset[Any]
    """The nodes of the graph behind the logits."""
    uses: Mapping[int, int]
    """How many times each parameter, by its id, enters that graph."""
    saved_bytes: int
    """What a backward pass would have needed, parameters included."""


def trace(model: nn.Module, inputs: Tensor, layers: Mapping[str, nn.Module]) -> Trace:
    """Run a forward pass of these inputs and record the calls of these layers."""
    storages: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with record_calls(layers) as calls, saved_tensors_hooks(count, lambda tensor: tensor):
        logits = model(inputs)
    reached, uses = _behind(logits)
    return Trace(calls, reached, uses, sum(storages.values()))


def _behind(logits: Tensor) -> tuple[frozenset[Any], Counter[int]]:
    """The graph's nodes, and the parameters at its ends, each as often as it is used."""
    waiting, reached, uses = [logits.grad_fn] if logits.grad_fn else [], set[Any](), Counter[int]()
    while waiting:
        node = waiting.pop()
        if node in reached:
            continue
        reached.add(node)
        behind = [end for end, _ in node.next_functions if end is not None]
        uses.update(id(end.variable) for end in behind if hasattr(end, "variable"))
        waiting += behind
    return frozenset(reached), uses
