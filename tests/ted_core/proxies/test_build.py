"""A proxy's name and a seed make a model, and nothing else has a say in it."""

import pytest
import torch
from torch import nn

from ted_core.datasets import Samples
from ted_core.errors import ProxyMismatch, UnknownProxy
from ted_core.proxies import FAMILIES, ProxySpec, resolve_proxy
from ted_core.proxies.build import build, parameter_count, weights_digest
from ted_core.proxies.networks import HIDDEN
from tests.ted_core import examples

CLASSES = 3
VECTORS = examples.random_vectors(6, features=5, classes=CLASSES)
GREY = examples.random_images(6, classes=CLASSES)
COLOUR = examples.random_images(6, channels=3, side=32, classes=CLASSES)
FROM_NOTHING = [name for name, family in FAMILIES.items() if family.model is None]
ODD = examples.random_images(6, channels=3, side=9, classes=CLASSES)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("mlp", VECTORS),
        ("mlp", GREY),
        ("mlp", COLOUR),
        *[(name, images) for name in ("cnn", "resnet18", "resnet9") for images in (GREY, COLOUR, ODD)],
    ],
)
def test_every_proxy_gives_one_logit_per_class(name: str, samples: Samples) -> None:
    model = build(resolve_proxy(ProxySpec(name=name)), samples, seed=0)

    logits = model(torch.from_numpy(samples.inputs).float())

    assert logits.shape == (len(samples), CLASSES)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_every_weight_of_every_proxy_is_reached_by_the_loss(name: str) -> None:
    model = build(resolve_proxy(ProxySpec(name=name)), COLOUR, seed=0)

    model(torch.from_numpy(COLOUR.inputs).float() / 255).logsumexp(1).sum().backward()

    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_equal_seeds_give_equal_weights_and_others_give_others(name: str) -> None:
    first, again, other = (
        weights_digest(build(resolve_proxy(ProxySpec(name=name)), GREY, seed=seed)) for seed in (3, 3, 4)
    )

    assert first == again != other


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_building_leaves_the_global_generator_where_it_was(name: str) -> None:
    before = torch.random.get_rng_state()

    build(resolve_proxy(ProxySpec(name=name)), GREY, seed=3)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_global_generator_has_no_say_in_the_weights() -> None:
    digests = set()

    with torch.random.fork_rng(devices=[]):
        for state in (1, 2):
            torch.manual_seed(state)
            digests.add(weights_digest(build(resolve_proxy(ProxySpec(name="mlp")), VECTORS, seed=0)))

    assert len(digests) == 1


def test_an_unknown_proxy_is_refused_with_the_names_of_those_installed() -> None:
    with pytest.raises(UnknownProxy, match="'vit' is not among mlp, cnn, resnet18") as refusal:
        build(resolve_proxy(ProxySpec(name="vit")), GREY, seed=0)

    assert refusal.value.field == "proxy.name"


@pytest.mark.parametrize("name", ["cnn", "resnet18", "resnet9"])
def test_a_proxy_for_images_refuses_vectors(name: str) -> None:
    with pytest.raises(ProxyMismatch) as refusal:
        build(resolve_proxy(ProxySpec(name=name)), VECTORS, seed=0)

    assert refusal.value.field == "proxy.name"


def test_the_parameters_are_counted() -> None:
    expected = (5 + 1) * HIDDEN + (HIDDEN + 1) * CLASSES

    assert parameter_count(build(resolve_proxy(ProxySpec(name="mlp")), VECTORS, seed=0)) == expected


def test_resnet18_has_the_size_it_is_known_for() -> None:
    """11,173,962 parameters on CIFAR-10: the size of the CIFAR form with ten classes."""
    samples = examples.random_images(10, channels=3, side=32, classes=10)

    assert parameter_count(build(resolve_proxy(ProxySpec(name="resnet18")), samples, seed=0)) == 11_173_962


def test_the_digest_sees_weights_and_buffers() -> None:
    model = build(resolve_proxy(ProxySpec(name="cnn")), GREY, seed=0)
    before = weights_digest(model)

    model.train()(torch.rand(4, 1, 8, 8))

    assert weights_digest(model) != before


def test_the_digest_tells_names_apart() -> None:
    weight = nn.Linear(2, 2)

    digests = {weights_digest(nn.ModuleDict({name: weight})) for name in ("first", "second")}

    assert len(digests) == 2
