"""Convolutions whose channels lie together give the same results, and optimizers go on with the same layout."""

import copy

import numpy as np
import torch

from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.proxies.build import build
from ted_core.training.layout import laid_out_like, with_channels_last
from ted_core.training.trainer import Trainer, batches_of
from tests.ted_core import examples

IMAGES = examples.random_images(40, channels=3, side=12, classes=3)


def test_the_channels_of_a_pixel_lie_together_and_the_results_stay() -> None:
    model, images = build(resolve_proxy(ProxySpec(name="cnn")), IMAGES, seed=0).eval(), torch.rand(4, 3, 12, 12)

    same = with_channels_last(copy.deepcopy(model))

    filters = [weight for weight in same.parameters() if weight.dim() == 4]
    assert filters
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in filters)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), same.parameters(), strict=True))
    assert torch.allclose(model(images), same(images), atol=1e-5)


def test_a_value_takes_its_examples_layout_and_keeps_its_numbers() -> None:
    filters, value = torch.rand(5, 4, 3, 3).contiguous(memory_format=torch.channels_last), torch.rand(5, 4, 3, 3)

    laid_out = laid_out_like(value, filters)

    assert torch.equal(laid_out, value)
    assert laid_out.stride() == filters.stride()
    assert laid_out_like(torch.tensor(3.0), filters) == 3


def test_a_trainer_that_is_restored_remembers_gradients_in_the_layout_of_its_weights() -> None:
    proxy = resolve_proxy(ProxySpec(name="cnn", epochs=3, batch_size=8))
    table, rows = batches_of(IMAGES, proxy), np.arange(40)
    first, again = (Trainer(build(proxy, IMAGES, seed=0), proxy, device="cpu") for _ in range(2))
    first.train_epoch(table, rows, number=0, rng=np.random.default_rng(0))

    again.load_state_dict(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in first.state_dict().items()}
    )
    for trainer in (first, again):
        trainer.train_epoch(table, rows, number=1, rng=np.random.default_rng(1))

    pairs = zip(first.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert all(slot["exp_avg"].stride() == parameter.stride() for parameter, slot in again.optimizer.state.items())
