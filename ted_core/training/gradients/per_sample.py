"""The per-sample gradients of one layer, as the factors they are made of: their norms need no gradient written out.

An *output gradient* g is the derivative of a sample's loss by a layer's outputs; an *activation* a is a layer's input.
A linear layer's gradient is the sum over tokens of g ⊗ a, and its squared norm the sum over all pairs of tokens of
(g · g')(a · a'), the *ghost* norm: Goodfellow 2015, arXiv 1510.01799, for one token; Li et al. 2022, arXiv 2110.05679,
for many; Bu et al. 2022, arXiv 2205.10683, for choosing between it and the gradient itself.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ted_core.training.gradients.preconditioners import Preconditioner, Preconditioners

MOST_WIDTH = 4096
"""Curvature factors wider than this are diagonal."""


@dataclass(frozen=True)
class OuterProductGradient:
    """Sums over tokens of g ⊗ a, in independent blocks: a convolution's groups, one for a linear layer."""

    activations: Float[Tensor, "blocks samples tokens inputs"]
    output_grads: Float[Tensor, "blocks samples tokens outputs"]

    def __add__(self, other: "OuterProductGradient") -> "OuterProductGradient":
        """The gradients of a layer that is used twice."""
        return OuterProductGradient(
            torch.cat([self.activations, other.activations], 2), torch.cat([self.output_grads, other.output_grads], 2)
        )

    def squared_norms(self, preconditioners: Preconditioners) -> Float[Tensor, " samples"]:
        """Each sample's squared norm, by the cheaper of the two routes."""
        return (self._ghost if self._ghost_is_cheaper(preconditioners) else self._written_out)(*preconditioners)

    def moments(self) -> tuple[Tensor, ...]:
        """Sums over samples for the factors of K-FAC: the mean over tokens of a ⊗ a, the sum of g ⊗ g.

        Martens and Grosse 2015, arXiv 1503.05671; Grosse and Martens 2016, arXiv 1602.01407, for many tokens.
        """
        return second_moment(self.activations.flatten(1, 2)) / self.activations.shape[2], second_moment(
            self.output_grads.flatten(1, 2)
        )

    def floats_per_sample(self, preconditioners: Preconditioners) -> int:
        """How many numbers a norm needs for a sample, at most: the factors, preconditioned, then either route's."""
        blocks, _, tokens, inputs, outputs = self._sizes()
        route = 2 * tokens**2 if self._ghost_is_cheaper(preconditioners) else 3 * inputs * outputs
        return blocks * (2 * tokens * (inputs + outputs) + route)

    def _sizes(self) -> tuple[int, ...]:
        return *self.activations.shape, self.output_grads.shape[-1]

    def _ghost_is_cheaper(self, preconditioners: Preconditioners) -> bool:
        """In multiplications for one sample."""
        _, _, tokens, inputs, outputs = self._sizes()
        by_input, by_output = (preconditioner.multiplications for preconditioner in preconditioners)
        ghost = tokens**2 * (inputs + outputs) + tokens * (by_input + by_output)
        return ghost <= tokens * inputs * outputs + outputs * by_input + inputs * by_output

    def _ghost(self, by_input: Preconditioner, by_output: Preconditioner) -> Float[Tensor, " samples"]:
        inputs, output_grads = by_input.apply(self.activations), by_output.apply(self.output_grads)
        if inputs.shape[2] == 1:  # the products of tokens with themselves alone
            return (inputs.square().sum((2, 3)) * output_grads.square().sum((2, 3))).sum(0)
        return ((inputs @ inputs.mT) * (output_grads @ output_grads.mT)).sum((0, 2, 3))

    def _written_out(self, by_input: Preconditioner, by_output: Preconditioner) -> Float[Tensor, " samples"]:
        gradients = by_input.apply(self.output_grads.mT @ self.activations)
        return by_output.apply(gradients.mT).square().sum((0, 2, 3))


@dataclass(frozen=True)
class EmbeddingGradient:
    """The gradients of an embedding: for each token the sum of the output gradients at its positions."""

    tokens: Int64[Tensor, "samples tokens"]
    output_grads: Float[Tensor, "samples tokens outputs"]
    vocabulary: int
    padding: int
    """The token whose vector is not trained and whose output gradients are 0; -1 for none."""

    def __add__(self, other: "EmbeddingGradient") -> "EmbeddingGradient":
        """The gradients of an embedding that is used twice."""
        tokens, output_grads = (
            torch.cat([self.tokens, other.tokens], 1),
            torch.cat([self.output_grads, other.output_grads], 1),
        )
        return EmbeddingGradient(tokens, output_grads, self.vocabulary, self.padding)

    def squared_norms(self, preconditioners: Preconditioners) -> Float[Tensor, " samples"]:
        """Each sample's squared norm."""
        by_token, by_output = preconditioners
        samples = torch.arange(len(self.tokens), device=self.tokens.device)[:, None]
        places, place = torch.unique(samples * self.vocabulary + self.tokens, return_inverse=True)
        sums = self.output_grads.new_zeros(len(places), self.output_grads.shape[2])
        sums.index_add_(0, place.flatten(), self.output_grads.flatten(0, 1))
        scale = by_token.apply(sums.new_ones(1, self.vocabulary))[0, places % self.vocabulary]
        squares = by_output.apply(sums[None])[0].square().sum(1) * scale.square()
        return squares.new_zeros(len(self.tokens)).index_add_(0, places // self.vocabulary, squares)

    def moments(self) -> tuple[Tensor, ...]:
        """Sums over samples for the factors of K-FAC with tokens as one-hot inputs: their shares, g ⊗ g."""
        trained = (self.tokens != self.padding).to(self.output_grads.dtype)
        shares = trained / trained.sum(1, keepdim=True).clamp(min=1)
        sums = self.output_grads.new_zeros(self.vocabulary).index_add_(0, self.tokens.flatten(), shares.flatten())
        return sums[None], second_moment(self.output_grads.flatten(0, 1)[None])

    def floats_per_sample(self, _: Preconditioners) -> int:
        """How many numbers a norm needs for a sample, at most: two for every output gradient, and bookkeeping."""
        return 2 * self.output_grads[0].numel() + 4 * self.tokens.shape[1]


@dataclass(frozen=True)
class MaterializedGradient:
    """The gradients themselves."""

    gradients: Float[Tensor, "samples parameters"]

    def __add__(self, other: "MaterializedGradient") -> "MaterializedGradient":
        """The gradients of a layer that is used twice."""
        return MaterializedGradient(self.gradients + other.gradients)

    def squared_norms(self, preconditioners: Preconditioners) -> Float[Tensor, " samples"]:
        """Each sample's squared norm."""
        return preconditioners[0].apply(self.gradients[None])[0].square().sum(1)

    def moments(self) -> tuple[Tensor, ...]:
        """The sum over samples of gradient ⊗ gradient: the Fisher matrix itself."""
        return (second_moment(self.gradients[None]),)

    def floats_per_sample(self, _: Preconditioners) -> int:
        """How many numbers a norm needs for a sample, at most."""
        return 2 * self.gradients.shape[1]


LayerGradient: TypeAlias = OuterProductGradient | EmbeddingGradient | MaterializedGradient


def second_moment(
    vectors: Float[Tensor, "blocks vectors width"],
) -> Float[Tensor, "blocks width width"] | Float[Tensor, "blocks width"]:
    """The sum of each block's v ⊗ v, or its diagonal if that is wider than MOST_WIDTH."""
    return vectors.mT @ vectors if vectors.shape[2] <= MOST_WIDTH else vectors.square().sum(1)
