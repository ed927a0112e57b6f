"""Slow and obviously correct: one backward pass for every sample, and curvature as one large matrix for every layer."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

Factor = tuple[np.ndarray, np.ndarray]
"""One sample's inputs (tokens, width) and slopes (tokens, outputs) of a layer."""


def gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> list[dict[str, Tensor]]:
    """Each sample's gradient by name; a parameter that has no part in the loss has the gradient 0."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    model.eval()
    rows = []
    for row in range(len(labels)):
        loss = cross_entropy(model(inputs[row : row + 1]), labels[row : row + 1])
        found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, materialize_grads=True)
        rows.append(dict(zip(trained, found, strict=True)))
    return rows


def norms(model: nn.Module, inputs: Tensor, labels: Tensor) -> list[float]:
    """The Euclidean norm of each sample's gradient."""
    return [
        float(torch.cat([part.flatten() for part in row.values()]).norm()) for row in gradients(model, inputs, labels)
    ]


def along(model: nn.Module, inputs: Tensor, labels: Tensor, direction: dict[str, Tensor]) -> list[float]:
    """Each sample's gradient times the direction."""
    return [
        sum(float((row[name] * part).sum()) for name, part in direction.items())
        for row in gradients(model, inputs, labels)
    ]


def factors(model: nn.Module, layer: nn.Module, inputs: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """For each sample what the layer is given, and the derivative of the loss by what is added to its output."""
    given, added = [], []

    def add(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        given.append(inputs[0][0].detach())
        added.append(torch.zeros_like(output, requires_grad=True))
        return output + added[-1]

    model.eval()
    hook = layer.register_forward_hook(add)
    losses = [cross_entropy(model(inputs[i : i + 1]), labels[i : i + 1]) for i in range(len(labels))]
    hook.remove()
    return [(a, torch.autograd.grad(loss, extra)[0][0]) for a, loss, extra in zip(given, losses, added, strict=True)]


def of_linear(layer: nn.Linear, inputs: Tensor, slopes: Tensor) -> list[Factor]:
    """A linear layer's tokens, with a 1 for the bias."""
    return [
        (_with_one(inputs.reshape(-1, layer.in_features), layer.bias), slopes.reshape(-1, layer.out_features).numpy())
    ]


def of_convolution(layer: nn.Conv2d, inputs: Tensor, slopes: Tensor) -> list[Factor]:
    """For each group a convolution's patches, pixel by pixel, with a 1 for the bias; padding is of zeros."""
    (above, left), (down, right), (rows, columns) = layer.padding, layer.stride, layer.kernel_size
    image = pad(inputs, (left, left, above, above))
    _, height, width = slopes.shape
    groups = []
    for maps, filters in zip(image.chunk(layer.groups), slopes.chunk(layer.groups), strict=True):
        corners = [(i * down, j * right) for i in range(height) for j in range(width)]
        patches = torch.stack([maps[:, i : i + rows, j : j + columns].flatten() for i, j in corners])
        groups.append((_with_one(patches, layer.bias), filters.flatten(1).T.numpy()))
    return groups


def of_embedding(layer: nn.Embedding, inputs: Tensor, slopes: Tensor) -> list[Factor]:
    """An embedding's tokens as one-hot vectors."""
    return [(np.eye(layer.num_embeddings)[inputs.numpy()], slopes.numpy())]


def _with_one(inputs: Tensor, bias: Tensor | None) -> np.ndarray:
    return inputs.numpy() if bias is None else np.hstack([inputs.numpy(), np.ones((len(inputs), 1))])


def kronecker_squares(
    rows: Sequence[Factor], damping: float, *, shape: Callable[[np.ndarray], np.ndarray] = lambda factor: factor
) -> np.ndarray:
    """Each sample's gradient^T (A ⊗ G)^-1 gradient in one layer, the matrix written out and damped as its factors are.

    ``shape`` makes the matrices that are inverted of the factors, such as their diagonals.
    """
    inputs = shape(np.mean([np.mean([np.outer(a, a) for a in tokens], axis=0) for tokens, _ in rows], axis=0))
    slopes = shape(np.mean([np.sum([np.outer(g, g) for g in tokens], axis=0) for _, tokens in rows], axis=0))
    mean_input, mean_slope = np.trace(inputs) / len(inputs), np.trace(slopes) / len(slopes)
    strength, pi = damping * mean_input * mean_slope, np.sqrt(mean_input / mean_slope)
    damped_inputs = inputs + pi * np.sqrt(strength) * np.eye(len(inputs))
    damped_slopes = slopes + np.sqrt(strength) / pi * np.eye(len(slopes))
    return _squares([(g.T @ a).flatten() for a, g in rows], np.kron(damped_slopes, damped_inputs))


def fisher_squares(gradients: Sequence[np.ndarray], damping: float) -> np.ndarray:
    """Each sample's gradient^T F^-1 gradient in one layer, F the mean of gradient ⊗ gradient."""
    fisher = np.mean([np.outer(gradient, gradient) for gradient in gradients], axis=0)
    return _squares(gradients, fisher + damping * np.trace(fisher) / len(fisher) * np.eye(len(fisher)))


def _squares(gradients: Sequence[np.ndarray], metric: np.ndarray) -> np.ndarray:
    return np.array([gradient @ np.linalg.solve(metric, gradient) for gradient in gradients])
