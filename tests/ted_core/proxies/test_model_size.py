"""How much memory a model takes is known in closed form, and agrees with the model itself on torch's meta device."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ted_core.proxies import FAMILIES, ProxySpec, ResolvedProxy, Training, resolve_proxy
from ted_core.proxies.build import build, parameter_count
from ted_core.proxies.model_size import ModelSize, model_shape, planned_size, trained_bytes
from ted_core.training.measured_size import measured_size
from tests.ted_core import examples

CLASSES = 7


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet18", "resnet9"])
@pytest.mark.parametrize(("channels", "side"), [(1, 3), (1, 8), (3, 17), (3, 32), (3, 64)])
def test_the_closed_form_of_images_is_the_model_s_own(name: str, channels: int, side: int) -> None:
    samples = examples.random_images(10, channels=channels, side=side, classes=CLASSES)
    proxy = resolve_proxy(ProxySpec(name=name))

    planned = planned_size(proxy, samples.input_shape, CLASSES)

    assert planned == measured_size(proxy, samples)
    assert planned
    assert planned.parameters == parameter_count(build(proxy, samples, seed=0))


@pytest.mark.parametrize("features", [1, 600])
def test_the_closed_form_of_vectors_is_the_model_s_own(features: int) -> None:
    samples = examples.random_vectors(10, features=features, classes=CLASSES)
    proxy = resolve_proxy(ProxySpec(name="mlp"))

    assert planned_size(proxy, (features,), CLASSES) == measured_size(proxy, samples)


def test_an_installed_package_s_model_is_measured_though_it_has_no_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    family = replace(FAMILIES["mlp"], builder=f"{__name__}:half_frozen", size=None)
    monkeypatch.setitem(FAMILIES, "half-frozen", family)
    proxy = resolve_proxy(ProxySpec(name="half-frozen"))

    assert planned_size(proxy, (4,), 2) is None
    size = measured_size(proxy, examples.random_vectors(10))
    assert size
    assert (size.parameters, size.frozen_bytes) == (3 * 2 + 2, 4 * (4 * 3 + 3))


def half_frozen(_: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, classes))


class Undecided(nn.Module):
    """Its path depends on its inputs' values."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if inputs.sum() > 0 else -inputs


def undecided(_: tuple[int, ...], __: int) -> nn.Module:
    return Undecided()


def test_a_model_that_needs_real_numbers_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "undecided", replace(FAMILIES["mlp"], builder=f"{__name__}:undecided"))

    assert measured_size(resolve_proxy(ProxySpec(name="undecided")), examples.random_vectors(10)) is None


def test_measuring_a_model_takes_no_memory_for_it() -> None:
    """A perceptron of 50 billion parameters, which no machine of ours could build."""
    samples = examples.random_vectors(1)
    samples = replace(samples, inputs=samples.inputs.repeat(25_000_000, axis=1))

    size = measured_size(resolve_proxy(ProxySpec(name="mlp")), samples)

    assert size
    assert size.parameters > 50 * 10**9


@pytest.mark.parametrize(("optimizer", "states"), [("adamw", 2), ("sgd", 1)])
def test_weights_gradients_and_the_optimizer_s_states_are_counted(optimizer: str, states: int) -> None:
    from ted_core.training.trainer import OPTIMIZERS  # noqa: PLC0415 - beside what it is compared with

    model = nn.Linear(10, 5)
    trained = OPTIMIZERS[optimizer](model.parameters(), lr=0.1)
    model(torch.ones(3, 10)).sum().backward()
    trained.step()

    slots = [value for slot in trained.state.values() for value in slot.values() if value is not None]
    remembered = sum(value.nbytes for value in slots if value.numel() > 1)
    parameters = parameter_count(model)
    assert trained_bytes(ModelSize(parameters), states) == 2 * 4 * parameters + remembered


def test_what_sees_features_is_as_wide_as_the_frozen_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 384}')
    proxy = ResolvedProxy(FAMILIES["frozen-encoder"], Training.of(ProxySpec(name="frozen-encoder")), tmp_path)

    assert model_shape(proxy, (), kind="text") == (384,)
    assert model_shape(proxy, (3, 8, 8), kind="image") == (384,)
    assert model_shape(proxy, (5,), kind="vector") == (5,)
    assert model_shape(replace(proxy, model_path=tmp_path / "nowhere"), (), kind="text") is None
