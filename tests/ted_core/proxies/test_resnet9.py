"""The first layer of the small residual network decorrelates patches of the first batch it trains on, once for all."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import unfold

from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.proxies.resnet9 import SMALLEST_VARIANCE, PatchWhitening, resnet9
from tests.ted_core import examples


def smooth_images(count: int, *, channels: int = 3, side: int = 12, seed: int = 0) -> Tensor:
    """Noise whose neighbouring pixels and channels resemble each other, as in photographs."""
    noise = torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    own = torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed + 1))
    return torch.nn.functional.avg_pool2d(noise + 0.3 * own, 3, stride=1)


def fitted(images: Tensor) -> PatchWhitening:
    layer = PatchWhitening(images.shape[1])
    layer.train()(images)
    return layer


@pytest.mark.parametrize("channels", [1, 3])
def test_what_the_first_layer_gives_varies_equally_in_all_directions(channels: int) -> None:
    images = smooth_images(300, channels=channels)

    components = fitted(images)(images)[:, : 4 * channels].double()

    flat = components.transpose(0, 1).flatten(1)
    second_moments = flat @ flat.T / flat.shape[1]
    variances = second_moments.diagonal()
    assert torch.allclose(second_moments, variances.diag(), atol=1e-3)
    assert ((variances > 0.1) & (variances < 1.001)).all()
    assert variances[0] == pytest.approx(1, abs=1e-2)


def test_each_component_comes_with_either_sign() -> None:
    images = smooth_images(10)

    components = fitted(images)(images)

    assert components.shape == (10, 24, 9, 9)
    assert torch.allclose(components[:, :12], -components[:, 12:], atol=1e-5)


def test_components_of_next_to_no_variance_are_not_blown_up() -> None:
    images = smooth_images(50, channels=1) * 1e-4

    components = fitted(images)(images)

    assert components.abs().max() < 1e-4 * 4 / SMALLEST_VARIANCE**0.5


def test_the_filters_are_those_of_the_first_batch_that_is_trained_on() -> None:
    layer, first, second = PatchWhitening(3), smooth_images(20), smooth_images(20, seed=5)

    layer.eval()(first)
    assert not layer.is_fitted
    layer.train()(first)
    before = layer.filters.clone()
    layer(second)

    assert torch.equal(layer.filters, before)
    assert not torch.equal(fitted(second).filters, before)


def test_a_model_that_is_restored_keeps_its_filters() -> None:
    first, again = resnet9((3, 10, 10), 2), resnet9((3, 10, 10), 2)
    first.train()(smooth_images(20))

    again.load_state_dict(first.state_dict())
    again.train()(smooth_images(20, seed=5))

    assert torch.equal(again.get_buffer("0.filters"), first.get_buffer("0.filters"))


def test_reduced_precision_has_no_say_in_the_filters() -> None:
    images, layer = smooth_images(20), PatchWhitening(3)

    with torch.autocast("cpu", torch.bfloat16):
        layer.train()(images)

    assert torch.equal(layer.filters, fitted(images).filters)


def test_large_images_are_whitened_by_patches_that_lie_apart() -> None:
    images = smooth_images(4, side=102)

    layer = fitted(images)

    patches = unfold(images, 2, stride=3).transpose(1, 2).flatten(0, 1).double()
    whitened = patches @ layer.filters[:12].flatten(1).T.double()
    assert (whitened.T @ whitened / len(whitened))[0, 0] == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("side", [3, 8])
def test_it_learns_to_tell_images_apart_from_three_pixels_on(side: int) -> None:
    samples = examples.random_images(32, channels=3, side=side, classes=2)
    model = build(resolve_proxy(ProxySpec(name="resnet9")), samples, seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images = torch.from_numpy(samples.inputs).float() / 255

    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(samples.labels))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < losses[0] / 2
