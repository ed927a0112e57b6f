"""Shifts and flips come from the seed, keep the shape, and never mirror a character."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ted_core.training.augmentation import augment_images

SIDE, MOST = 8, 1


def asymmetric(count: int, channels: int) -> Tensor:
    """Copies of one image, all of whose pixels differ."""
    image = torch.arange(1, channels * SIDE * SIDE + 1, dtype=torch.float32).reshape(channels, SIDE, SIDE)
    return image.repeat(count, 1, 1, 1)


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """The image moved pixel by pixel, black where nothing moved in."""
    moved = torch.zeros_like(image)
    for row in range(SIDE):
        for column in range(SIDE):
            if 0 <= row - down < SIDE and 0 <= column - right < SIDE:
                moved[:, row, column] = image[:, row - down, column - right]
    return moved


def every_shift(image: Tensor) -> list[bytes]:
    moves = range(-MOST, MOST + 1)
    return [shifted(image, down, right).numpy().tobytes() for down in moves for right in moves]


def augmented_bytes(images: Tensor, seed: int = 0) -> set[bytes]:
    return {image.numpy().tobytes() for image in augment_images(images, np.random.default_rng(seed))}


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 3, 32, 32), (1, 3, 9, 17), (2, 1, 1, 1)])
def test_the_shape_and_type_stay(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape)

    result = augment_images(images, np.random.default_rng(0))

    assert (result.shape, result.dtype) == (images.shape, images.dtype)


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_seeds_give_equal_images_and_others_give_others(channels: int) -> None:
    images = asymmetric(64, channels)

    first, again, other = (augment_images(images, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_given_images_are_left_alone() -> None:
    images = asymmetric(64, 3)

    augment_images(images, np.random.default_rng(0))

    assert torch.equal(images, asymmetric(64, 3))


def test_grey_images_are_shifted_every_way_and_never_mirrored() -> None:
    images = asymmetric(300, 1)

    assert augmented_bytes(images) == set(every_shift(images[0]))


def test_colour_images_are_shifted_every_way_and_mirrored_too() -> None:
    images = asymmetric(600, 3)

    assert augmented_bytes(images) == {*every_shift(images[0]), *every_shift(images[0].flip(-1))}


def test_about_every_other_colour_image_is_mirrored() -> None:
    images = asymmetric(1000, 3)

    result = augment_images(images, np.random.default_rng(0))

    mirrored = result[:, 0, 4, 3] > result[:, 0, 4, 4]
    assert 0.45 < float(mirrored.float().mean()) < 0.55


def test_the_shift_is_an_eighth_of_the_side() -> None:
    images = torch.zeros(2000, 1, 32, 32)
    images[:, 0, 16, 16] = 1

    spots = augment_images(images, np.random.default_rng(0)).nonzero()[:, 2:]

    assert spots.amin(0).tolist() == [12, 12]
    assert spots.amax(0).tolist() == [20, 20]
