"""How fast each sample's loss grows along a direction: forward-mode against gradients, and against small steps."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ted_core.proxies.build import weights_digest
from ted_core.training.gradients import DirectionMismatch, LayerNotSupported, directional_derivatives, plan
from tests.reference import gradients as reference
from tests.ted_core.training.gradients.gradient_models import CLASSES, MODELS, VOCABULARY, Case, built

# torch itself scripts its derivatives at the first use of forward mode, in a way that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")


def a_direction(model: nn.Module, *, seed: int = 0) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(parameter.shape, generator=chance, dtype=parameter.dtype)
        for name, parameter in model.named_parameters()
    }


@pytest.mark.parametrize("name", MODELS)
def test_the_slope_is_the_gradient_times_the_direction(name: str) -> None:
    given = built(name)
    direction = a_direction(given.model)

    measured = directional_derivatives(given.model, given.inputs, given.labels, direction)

    expected = reference.along(given.model, given.inputs, given.labels, direction)
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-8, atol=1e-10)


def losses(given: Case, direction: dict[str, Tensor], step: float) -> Tensor:
    moved = {name: value.detach() + step * direction[name] for name, value in given.model.named_parameters()}
    return cross_entropy(
        torch.func.functional_call(given.model.eval(), moved, (given.inputs,)), given.labels, reduction="none"
    ).detach()


@pytest.mark.parametrize("name", ["every layer twice", "parameters outside layers"])
def test_the_slope_is_what_a_small_step_gains(name: str) -> None:
    given, step = built(name), 1e-5
    direction = a_direction(given.model)

    measured = directional_derivatives(given.model, given.inputs, given.labels, direction)

    gained = (losses(given, direction, step) - losses(given, direction, -step)) / (2 * step)
    np.testing.assert_allclose(measured.numpy(), gained.numpy(), rtol=1e-6, atol=1e-6)


def test_parameters_that_the_direction_does_not_name_stand_still() -> None:
    given = built("cnn")
    name, part = next(iter(a_direction(given.model).items()))

    measured = directional_derivatives(given.model, given.inputs, given.labels, {name: part})

    expected = reference.along(given.model, given.inputs, given.labels, {name: part})
    np.testing.assert_allclose(measured.numpy(), expected, rtol=1e-8)
    assert directional_derivatives(given.model, given.inputs, given.labels, {}).tolist() == [0.0] * len(given.labels)


def test_measuring_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    given = built("cnn")
    direction, before = a_direction(given.model), weights_digest(given.model)
    at_once = directional_derivatives(given.model.train(), given.inputs, given.labels, direction)

    monkeypatch.setattr(plan, "MICROBATCH_BYTES", 1)
    one_by_one = directional_derivatives(given.model, given.inputs, given.labels, direction)

    assert given.model.training
    assert weights_digest(given.model) == before
    np.testing.assert_allclose(one_by_one.numpy(), at_once.numpy(), rtol=1e-8)


def test_no_rows_have_no_slopes() -> None:
    given = built("mlp")

    assert directional_derivatives(given.model, given.inputs[:0], given.labels[:0], a_direction(given.model)).shape == (
        0,
    )


@pytest.mark.parametrize("direction", [{"2.weight": torch.zeros(1)}, {"1.bias": torch.zeros(3)}])
def test_a_direction_of_another_model_is_refused_by_name(direction: dict[str, Tensor]) -> None:
    given = built("mlp")

    with pytest.raises(DirectionMismatch, match=next(iter(direction))):
        directional_derivatives(given.model, given.inputs, given.labels, direction)


def test_a_layer_without_a_forward_derivative_is_refused() -> None:
    model = nn.Sequential(nn.EmbeddingBag(VOCABULARY, CLASSES))

    with pytest.raises(LayerNotSupported, match="embedding_bag"):
        directional_derivatives(
            model, torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), a_direction(model)
        )
