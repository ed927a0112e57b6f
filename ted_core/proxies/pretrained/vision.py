"""Images → the vectors that a pretrained vision model of transformers makes of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import AutoModel

from ted_core.datasets.samples import Images
from ted_core.proxies.model_config import COLOURS, preprocessing
from ted_core.proxies.pretrained.encoder import half_precision
from ted_core.proxies.pretrained.loading import model_of, require_input

BATCH = 64
"""Images that the model sees at once, each enlarged to what it was trained on."""
WHITE = 255


class Preprocessing:
    """Makes images into what the model was trained on: its size, its colours' means and standard deviations."""

    def __init__(self, folder: Path, *, device: str) -> None:
        """Reads the folder's preprocessor_config.json. Raises UnknownModel."""
        self.size, *colours = preprocessing(folder)
        self.mean, self.std = (torch.tensor(values, device=device).reshape(1, COLOURS, 1, 1) for values in colours)

    def apply(self, images: UInt8[Tensor, "samples channels height width"]) -> Float[Tensor, "samples 3 tall wide"]:
        """Scale and normalize images, whatever their aspect ratio; grey ones become colour images of equal channels."""
        resized = interpolate(images.float() / WHITE, self.size, mode="bilinear", antialias=True)
        return (resized.expand(-1, COLOURS, -1, -1) - self.mean) / self.std


def image_features(
    images: Images, folder: Path, *, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " some"], Float[Tensor, "some features"]]]:
    """Yield the positions of some images at a time, and what the model pools of each.

    Raises UnknownModel, ProxyMismatch.
    """
    model: nn.Module = require_input(model_of(folder, AutoModel), "pixel_values")
    model.to(device)
    preprocessing = Preprocessing(folder, device=device)
    for numbers in np.array_split(np.arange(len(images)), range(BATCH, len(images), BATCH)):
        with torch.inference_mode():
            vectors = _pooled(model, preprocessing.apply(torch.from_numpy(images[numbers]).to(device)))
        yield numbers, vectors


def _pooled(model: nn.Module, batch: Float[Tensor, "samples 3 tall wide"]) -> Float[Tensor, "samples features"]:
    """The model's own pooling, or the mean over its patches if it has none."""
    with half_precision(batch.device):
        outputs = model(pixel_values=batch)
    pooled: Tensor | None = outputs.get("pooler_output")
    if pooled is None:
        pooled = outputs.last_hidden_state.mean(1)
    return pooled.flatten(1)
