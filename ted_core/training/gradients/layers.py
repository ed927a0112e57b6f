"""One use of a layer, its inputs and the gradients of its outputs → its per-sample gradients, one function per type."""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ted_core.training.gradients.per_sample import (
    EmbeddingGradient,
    LayerGradient,
    MaterializedGradient,
    OuterProductGradient,
)
from ted_core.training.gradients.tracing import LayerCall

GradSampler: TypeAlias = Callable[[Any, Tensor, Tensor], LayerGradient]
BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def linear(
    layer: nn.Linear, inputs: Float[Tensor, "samples ..."], output_grads: Float[Tensor, "samples ..."]
) -> OuterProductGradient:
    """The gradients of a linear layer; all axes but the first and last are tokens."""
    tokens = inputs.reshape(1, len(inputs), -1, layer.in_features)
    return OuterProductGradient(
        _trained(layer, tokens), output_grads.reshape(1, len(output_grads), -1, layer.out_features)
    )


def convolution(
    layer: nn.Conv2d,
    inputs: Float[Tensor, "samples channels height width"],
    output_grads: Float[Tensor, "samples filters rows columns"],
) -> OuterProductGradient:
    """The gradients of a convolution: a linear layer on patches, one token for every pixel of the output."""
    padded = functional.pad(inputs, _margins(layer), mode=PADDING.get(layer.padding_mode, layer.padding_mode))
    patches = functional.unfold(padded, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    return OuterProductGradient(_trained(layer, _by_group(layer, patches)), _by_group(layer, output_grads.flatten(2)))


PADDING = {"zeros": "constant"}


def _margins(layer: nn.Conv2d) -> list[int]:
    """How much is padded on the left, right, top and bottom; the odd pixel of "same" comes last, as torch has it."""
    margins: list[int] = []
    for axis in (1, 0):
        if layer.padding == "same":
            total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            margins += [total // 2, total - total // 2]
        else:
            margins += [0, 0] if layer.padding == "valid" else [int(layer.padding[axis])] * 2
    return margins


def _by_group(layer: nn.Conv2d, maps: Float[Tensor, "samples channels pixels"]) -> Tensor:
    samples, channels, pixels = maps.shape
    return maps.view(samples, layer.groups, channels // layer.groups, pixels).permute(1, 0, 3, 2)


def _trained(layer: nn.Linear | nn.Conv2d, inputs: Float[Tensor, "blocks samples tokens inputs"]) -> Tensor:
    """What the trained parameters are multiplied by: the inputs for the weight, a one for the bias."""
    parts = [inputs] if layer.weight.requires_grad else []
    if layer.bias is not None and layer.bias.requires_grad:
        parts.append(inputs.new_ones(*inputs.shape[:-1], 1))
    return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def embedding(
    layer: nn.Embedding, inputs: Tensor, output_grads: Float[Tensor, "samples ... outputs"]
) -> EmbeddingGradient:
    """The gradients of an embedding; all axes but the first are tokens."""
    tokens, padding = inputs.reshape(len(inputs), -1).long(), -1 if layer.padding_idx is None else layer.padding_idx
    vectors = output_grads.reshape(*tokens.shape, layer.embedding_dim)
    return EmbeddingGradient(
        tokens, vectors.masked_fill((tokens == padding)[..., None], 0), layer.num_embeddings, padding
    )


def batch_norm(layer: BatchNorm, inputs: Tensor, output_grads: Tensor) -> MaterializedGradient:
    """The gradients of a batch normalization in evaluation mode: by its running statistics, sample by sample."""
    normalized = functional.batch_norm(inputs, layer.running_mean, layer.running_var, eps=layer.eps)
    return _elementwise(layer, _channels_last(normalized), _channels_last(output_grads))


def group_norm(layer: nn.GroupNorm, inputs: Tensor, output_grads: Tensor) -> MaterializedGradient:
    """The gradients of a group normalization."""
    normalized = functional.group_norm(inputs, layer.num_groups, eps=layer.eps)
    return _elementwise(layer, _channels_last(normalized), _channels_last(output_grads))


def layer_norm(layer: nn.LayerNorm, inputs: Tensor, output_grads: Tensor) -> MaterializedGradient:
    """The gradients of a layer normalization."""
    shape = (len(inputs), -1, layer.weight.numel())
    normalized = functional.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
    return _elementwise(layer, normalized.reshape(shape), output_grads.reshape(shape))


def _channels_last(maps: Float[Tensor, "samples channels *pixels"]) -> Float[Tensor, "samples pixels channels"]:
    return maps.reshape(*maps.shape[:2], -1).mT


def _elementwise(
    layer: BatchNorm | nn.GroupNorm | nn.LayerNorm,
    normalized: Float[Tensor, "samples tokens channels"],
    output_grads: Float[Tensor, "samples tokens channels"],
) -> MaterializedGradient:
    """The gradients of a scale and a shift of normalized inputs."""
    parts = [(normalized * output_grads).sum(1)] if layer.weight.requires_grad else []
    # The types say that there is a bias; with bias=False there is none.
    if layer.bias is not None and layer.bias.requires_grad:
        parts.append(output_grads.sum(1))
    return MaterializedGradient(torch.cat(parts, 1))


GRAD_SAMPLERS: Mapping[type[nn.Module], GradSampler] = {
    nn.Linear: linear,
    nn.Conv2d: convolution,
    nn.Embedding: embedding,
    nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm3d: batch_norm,
}
"""Types whose gradients have a closed form; a subclass may compute something else and does not count."""


def by_layer(output_grads: Iterable[tuple[LayerCall, Tensor]]) -> Iterator[tuple[str, LayerGradient]]:
    """The gradients of one layer after another by name, summed over its calls."""
    uses: dict[str, list[tuple[LayerCall, Tensor]]] = {}
    for call, output_grad in output_grads:
        uses.setdefault(call.layer, []).append((call, output_grad))
    for layer, calls in uses.items():
        yield (
            layer,
            reduce(
                operator.add,
                (
                    GRAD_SAMPLERS[type(call.module)](call.module, call.activations, output_grad)
                    for call, output_grad in calls
                ),
            ),
        )
