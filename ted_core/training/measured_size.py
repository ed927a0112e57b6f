"""How much memory a proxy's model takes, measured on torch's meta device, which has shapes but no memory."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ted_core.datasets import Samples
from ted_core.proxies import ResolvedProxy
from ted_core.proxies.build import build
from ted_core.proxies.model_size import ModelSize

META = "meta"
NOT_MEASURABLE = (RuntimeError, TypeError, ValueError, AttributeError)
"""What models raise that need numbers, not only shapes."""


def measured_size(proxy: ResolvedProxy, samples: Samples) -> ModelSize | None:
    """Return the size of the model for these samples; None if it starts from a pretrained one or needs real numbers."""
    if proxy.is_fine_tuned:
        return None
    try:
        with torch.device(META):
            model = build(proxy, samples, seed=0)
        return size_of(model, samples.input_shape)
    except NOT_MEASURABLE:
        return None


def size_of(model: nn.Module, shape: tuple[int, ...]) -> ModelSize:
    """Return the size of a model on the meta device, by what a third row adds to two."""
    two, three = (_trace(model, shape, rows) for rows in (2, 3))
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    frozen = sum(parameter.nbytes for parameter in model.parameters() if not parameter.requires_grad)
    return replace(three, parameters=trained, saved_bytes=three.saved_bytes - two.saved_bytes, frozen_bytes=frozen)


def _trace(model: nn.Module, shape: tuple[int, ...], rows: int) -> ModelSize:
    """What a forward pass in training keeps of all rows, weights excluded, and the largest of its outputs for one."""
    kept: dict[int, Tensor] = {}
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor  # keeping the tensor keeps the key from being used again
        return tensor

    def note(_: nn.Module, __: tuple[object, ...], output: object) -> None:
        nonlocal largest
        largest = max(largest, output.nbytes // rows if isinstance(output, Tensor) else 0)

    inputs = torch.zeros(rows, *shape, device=META)
    hooks = [module.register_forward_hook(note) for module in model.modules()]
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        model.train()(inputs)
    for hook in hooks:
        hook.remove()
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    saved = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    return ModelSize(0, saved, max(largest, inputs.nbytes // rows))
