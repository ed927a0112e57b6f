"""The plain loop trains as well as ours on the same schedule, and shifts images as augmentation does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from benchmarks.cost.plain_loop import shifting, train_plainly
from benchmarks.datasets import digits
from ted_core.datasets import Samples
from ted_core.proxies import ProxySpec, resolve_proxy
from ted_core.training.batches import Scaling
from ted_core.training.trainer import fit

TRAIN, TEST = digits(Path(), Path())


def as_images(samples: Samples) -> Samples:
    assert isinstance(samples.inputs, np.ndarray)
    return replace(samples, inputs=(15 * samples.inputs).astype(np.uint8).reshape(-1, 1, 8, 8))


@pytest.mark.parametrize(("name", "epochs"), [("mlp", 6), ("cnn", 6), ("resnet9", 4)])
def test_it_trains_as_well_as_the_trainer(name: str, epochs: int) -> None:
    train, test = (part if name == "mlp" else as_images(part) for part in (TRAIN, TEST))
    proxy, before = resolve_proxy(ProxySpec(name=name, epochs=epochs)), train.inputs.copy()  # type: ignore[union-attr]

    model = train_plainly(train, proxy, seed=1).eval()

    inputs = Scaling.of(train).apply(torch.tensor(test.inputs))
    accuracy = float((model(inputs).argmax(1).numpy() == test.labels).mean())
    assert accuracy == pytest.approx(fit(train, np.arange(len(train)), proxy=proxy, seed=1).accuracy(test), abs=0.04)
    assert accuracy > 0.85
    assert np.array_equal(train.inputs, before)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_holds_its_rows_shifted_by_up_to_an_eighth_and_mirrored_if_coloured(channels: int) -> None:
    images, rows = torch.rand(10, channels, 16, 24), torch.arange(10).repeat(40)

    batch = shifting(images)(rows)

    seen = {found(image, images[row]) for image, row in zip(batch, rows.tolist(), strict=True)}
    assert {shift for *shift, _ in seen for shift in shift} == {0, 1, 2, 3, 4}
    assert {mirrored for *_, mirrored in seen} == ({False, True} if channels == 3 else {False})


def found(image: torch.Tensor, original: torch.Tensor) -> tuple[int, int, bool]:
    """Where in the padded original the image is cut out, and whether it is mirrored."""
    height, width = original.shape[1:]
    padded = pad(original, (2, 2, 2, 2))
    for down in range(5):
        for right in range(5):
            cut = padded[:, down : down + height, right : right + width]
            for mirrored, candidate in ((False, cut), (True, cut.flip(-1))):
                if torch.equal(candidate, image):
                    return down, right, mirrored
    raise AssertionError("the image is no shift of its row")
