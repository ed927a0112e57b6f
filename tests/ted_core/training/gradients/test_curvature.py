"""Gradients in the metric of the curvature: products of small factors against one large matrix for every layer."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ted_core.training.gradients import (
    Curvature,
    CurvatureMismatch,
    gradient_norms,
    per_sample,
    plan,
    preconditioned_norms,
)
from tests.reference import gradients as reference
from tests.ted_core.training.gradients.gradient_models import CLASSES, MODELS, VOCABULARY, Case, Readout, built, case

DAMPING = 0.05
FACTORS: dict[type[nn.Module], Callable[..., list[reference.Factor]]] = {
    nn.Linear: reference.of_linear,
    nn.Conv2d: reference.of_convolution,
    nn.Embedding: reference.of_embedding,
}


def expected_norms(given: Case, **options: Any) -> np.ndarray:
    """The sum over layers, and over the groups of a convolution, of what the large matrices give."""
    squares = np.zeros(len(given.labels))
    for layer in given.model.modules():
        if type(layer) in FACTORS:
            rows = reference.factors(given.model, layer, given.inputs, given.labels)
            groups = zip(*(FACTORS[type(layer)](layer, *row) for row in rows), strict=True)
            squares += sum(reference.kronecker_squares(group, DAMPING, **options) for group in groups)
    return np.sqrt(squares)


def measured_norms(given: Case, *, parts: int = 1) -> np.ndarray:
    batches = list(zip(given.inputs.chunk(parts), given.labels.chunk(parts), strict=True))
    curvature = Curvature.of(given.model, batches, damping=DAMPING)
    return preconditioned_norms(given.model, given.inputs, given.labels, curvature).numpy()


NETWORKS: dict[str, Callable[[], Case]] = {
    "vectors": lambda: case(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, CLASSES)), torch.randn(6, 3)),
    "no bias": lambda: case(nn.Sequential(nn.Linear(3, 4, bias=False), Readout()), torch.randn(6, 3)),
    "few tokens": lambda: case(nn.Sequential(nn.Linear(5, 4), Readout()), torch.randn(6, 2, 5)),
    "many tokens": lambda: case(nn.Sequential(nn.Linear(2, 3), Readout()), torch.randn(6, 4, 5, 2)),
    "images": lambda: case(nn.Sequential(nn.Conv2d(2, 3, (2, 3), 2, 1), Readout()), torch.randn(6, 2, 4, 5)),
    "large images": lambda: case(nn.Sequential(nn.Conv2d(1, 2, 2), Readout()), torch.randn(6, 1, 7, 7)),
    "groups": lambda: case(nn.Sequential(nn.Conv2d(4, 6, 2, groups=2), Readout()), torch.randn(6, 4, 3, 3)),
    "words": lambda: case(nn.Sequential(nn.Embedding(VOCABULARY, 2), Readout()), torch.randint(VOCABULARY, (6, 4))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_norm_is_that_of_the_kronecker_product_written_out_and_inverted(name: str) -> None:
    torch.manual_seed(0)
    given = NETWORKS[name]()

    np.testing.assert_allclose(measured_norms(given), expected_norms(given), rtol=1e-8)


@pytest.mark.parametrize("widest", [0, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_factors_that_are_too_wide_are_diagonal(name: str, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    given = NETWORKS[name]()

    monkeypatch.setattr(per_sample, "MOST_WIDTH", widest)

    expected = expected_norms(given, shape=lambda factor: factor if len(factor) <= widest else np.diag(np.diag(factor)))
    np.testing.assert_allclose(measured_norms(given), expected, rtol=1e-8)


@given(st.integers(2, 8), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_either_route_to_the_norm_of_a_token_layer_is_right(
    samples: int, tokens: int, inputs: int, outputs: int, seed: int
) -> None:
    torch.manual_seed(seed)
    given = case(nn.Sequential(nn.Linear(inputs, outputs), Readout()), torch.randn(samples, tokens, inputs))

    np.testing.assert_allclose(measured_norms(given), expected_norms(given), rtol=1e-8)


NORMALIZED: dict[str, Callable[[], Case]] = {
    "layer": lambda: case(nn.Sequential(nn.LayerNorm(4), Readout()), torch.randn(6, 3, 4)),
    "batch": lambda: case(nn.Sequential(nn.BatchNorm2d(3), Readout()), torch.randn(6, 3, 2, 2)),
}


@pytest.mark.parametrize("name", NORMALIZED)
def test_a_normalization_has_its_whole_fisher_matrix(name: str) -> None:
    torch.manual_seed(0)
    given = NORMALIZED[name]()
    rows = reference.gradients(given.model, given.inputs, given.labels)
    flat = [np.concatenate([part.flatten().numpy() for part in row.values()]) for row in rows]

    np.testing.assert_allclose(measured_norms(given), np.sqrt(reference.fisher_squares(flat, DAMPING)), rtol=1e-8)


def test_a_parameter_without_a_closed_form_has_its_whole_fisher_matrix() -> None:
    given = built("torch's encoder layer")
    given.model.requires_grad_(False).layer.self_attn.in_proj_bias.requires_grad_(True)
    rows = reference.gradients(given.model, given.inputs, given.labels)
    flat = [row["layer.self_attn.in_proj_bias"].numpy() for row in rows]

    np.testing.assert_allclose(measured_norms(given), np.sqrt(reference.fisher_squares(flat, DAMPING)), rtol=1e-8)


def test_padding_is_no_token() -> None:
    """Rows of different length, filled up, measure as if what fills them up were not there."""
    torch.manual_seed(0)
    layer, words = nn.Embedding(VOCABULARY, 3, padding_idx=0), torch.randint(1, VOCABULARY, (6, 4))
    short = case(nn.Sequential(layer, Mean()), words)
    filled = Case(short.model, torch.cat([words, torch.zeros(6, 2, dtype=torch.int64)], 1), short.labels)
    short.model[0].weight.data[0] = 0

    np.testing.assert_allclose(measured_norms(filled), measured_norms(short), rtol=1e-8)


class Mean(nn.Module):
    """Words with vectors other than 0 → the logits of their mean."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return Readout()(vectors.sum(1) / vectors.ne(0).any(2).sum(1, keepdim=True))


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"resnet18"}))  # its factors take a minute to invert
def test_the_curvature_of_all_rows_is_that_of_their_batches_in_any_number_of_passes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = built(name)
    expected = measured_norms(given)

    monkeypatch.setattr(plan, "MICROBATCH_BYTES", 1)

    np.testing.assert_allclose(measured_norms(given, parts=2), expected, rtol=1e-8)
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_that_a_layers_inputs_are_in_does_not_matter(unit: float) -> None:
    torch.manual_seed(0)
    given = case(nn.Sequential(nn.Linear(3, 4, bias=False), Readout()), torch.randn(6, 3))
    expected = measured_norms(given)

    given.model[0].weight.data /= unit

    converted = Case(given.model, given.inputs * unit, given.labels)
    np.testing.assert_allclose(measured_norms(converted), expected, rtol=1e-8)


def test_with_much_damping_only_the_length_of_the_gradient_counts() -> None:
    torch.manual_seed(0)
    given = NETWORKS["no bias"]()

    curvature = Curvature.of(given.model, [(given.inputs, given.labels)], damping=1e12)
    measured = preconditioned_norms(given.model, given.inputs, given.labels, curvature)

    plain = gradient_norms(given.model, given.inputs, given.labels)
    np.testing.assert_allclose(measured / measured.mean(), plain / plain.mean(), rtol=1e-4)


def test_a_layer_that_no_gradient_reaches_has_a_length_of_zero() -> None:
    given = case(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, CLASSES)), torch.randn(6, 3))
    given.model[0].bias.data -= 100

    only_last = Case(nn.Sequential(*given.model[1:]), torch.zeros(6, 4).double(), given.labels)

    np.testing.assert_allclose(measured_norms(given), measured_norms(only_last), rtol=1e-8)


def test_single_precision_is_enough() -> None:
    given = built("cnn")
    expected = measured_norms(given)

    measured = measured_norms(Case(given.model.float(), given.inputs.float(), given.labels))

    assert measured.dtype == np.float32
    np.testing.assert_allclose(measured, expected, rtol=1e-3)


MISMATCHES: dict[str, Callable[[Case], object]] = {
    "another width": lambda given: setattr(given.model, "3", nn.Linear(512, 4)),
    "a frozen weight": lambda given: given.model[1].weight.requires_grad_(False),
    "another layer": lambda given: given.model.append(nn.Linear(3, 3)),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_curvature_of_other_parameters_is_refused(name: str) -> None:
    given = built("mlp")
    curvature = Curvature.of(given.model, [(given.inputs, given.labels)])

    MISMATCHES[name](given)

    with pytest.raises(CurvatureMismatch, match=r"differs in \d\..*estimate it anew"):
        preconditioned_norms(given.model, given.inputs, given.labels, curvature)


def test_a_curvature_of_no_rows_is_refused() -> None:
    given = built("mlp")

    with pytest.raises(CurvatureMismatch, match="no rows"):
        preconditioned_norms(given.model, given.inputs, given.labels, Curvature.of(given.model, []))


class Reader(nn.Module):
    """Texts → logits; only long texts go through the second layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        read = self.first(texts).tanh()
        return Readout()((self.second(read) if texts.shape[1] > 3 else read).mean(1))


def test_a_layer_that_had_no_part_in_the_curvatures_rows_is_refused_by_name() -> None:
    short, long = case(Reader(), torch.randn(4, 2, 4)), torch.randn(4, 5, 4).double()
    curvature = Curvature.of(short.model, [(short.inputs, short.labels)])

    with pytest.raises(CurvatureMismatch, match=r"'second' had no part"):
        preconditioned_norms(short.model, long, short.labels, curvature)
