"""How much memory a proxy's model takes, in closed form, before anything is built. Torch-free."""

from dataclasses import dataclass
from importlib import import_module
from math import ceil, prod

from ted_core.datasets.spec import InputKind
from ted_core.proxies.model_config import model_config
from ted_core.proxies.resolve import ResolvedProxy

FLOAT, INDEX = 4, 8
"""Bytes of a float32, and of the place of a maximum."""
HIDDEN = 512
CNN_WIDTHS = (32, 64, 128)
RESNET_WIDTHS = (64, 128, 256, 512)
BLOCKS_PER_STAGE = 2
RESNET9_WIDTHS = (32, 128, 256)
PATCH_SIDE = 2


@dataclass(frozen=True)
class ModelSize:
    """What a model takes."""

    parameters: int
    """How many numbers training adjusts."""
    saved_bytes: int = 0
    """What a row leaves in memory for the way back."""
    largest_bytes: int = 0
    """The largest activation of a row."""
    frozen_bytes: int = 0
    """Weights that are not trained, and in memory once however many models there are."""
    rows_at_once: int | None = None
    """How many of the longest texts are calculated at a time, however large the batch is; shorter ones take less. None
    if each row takes the same."""
    training_work: float = 0.0
    """Multiplications that training on a token takes, attention's own excluded; 0 if nobody has asked yet."""
    frozen_work: float = 0.0
    """Those that the blocks below the trained ones take of a token, once."""


def model_shape(proxy: ResolvedProxy, shape: tuple[int, ...] | None, *, kind: InputKind) -> tuple[int, ...] | None:
    """Return the shape of one input as the model sees it: of a dataset's input, or of the vector made of it.

    () for texts that a pretrained model takes itself; None if it is not known.
    """
    if proxy.is_fine_tuned:
        return ()
    if proxy.family.features is None or kind == "vector":
        return shape or None
    width = model_config(proxy.model_path).get("hidden_size") if proxy.model_path else None
    return (width,) if isinstance(width, int) and width > 0 else None


def planned_size(proxy: ResolvedProxy, shape: tuple[int, ...], classes: int) -> ModelSize | None:
    """Return the size of the proxy's model for inputs of this shape; None if its family has no closed form.

    None as well if the files of a pretrained model do not show it. Raises UnknownModel if these contradict themselves.
    """
    first = proxy.model_path if proxy.is_fine_tuned else shape
    if proxy.family.size is None or first is None:
        return None
    module, function = proxy.family.size.split(":")
    size: ModelSize | None = getattr(import_module(module), function)(first, classes, **proxy.model_options)
    return size


def mlp(shape: tuple[int, ...], classes: int) -> ModelSize:
    """Two linear layers; each keeps what it was given."""
    features = prod(shape)
    parameters = (features + 1) * HIDDEN + (HIDDEN + 1) * classes
    return ModelSize(parameters, FLOAT * (features + HIDDEN), FLOAT * max(features, HIDDEN, classes))


def cnn(shape: tuple[int, ...], classes: int) -> ModelSize:
    """Three stages of convolution, pooling and normalization, then a linear layer on 2x2 places."""
    channels, height, width = shape
    parameters, saved, largest = 0, FLOAT * prod(shape), prod(shape)
    for outputs in CNN_WIDTHS:
        parameters += 9 * channels * outputs + 2 * outputs
        convolved = outputs * height * width
        height, width, channels = ceil(height / 2), ceil(width / 2), outputs
        pooled = outputs * height * width
        saved += FLOAT * convolved + (INDEX + 2 * FLOAT) * pooled
        largest = max(largest, convolved)
    head = 4 * channels
    return ModelSize(parameters + (head + 1) * classes, saved + FLOAT * head, FLOAT * max(largest, head, classes))


def resnet18(shape: tuple[int, ...], classes: int) -> ModelSize:
    """Eight blocks of two convolutions; a shortcut has one of its own where the shape changes."""
    channels, height, width = shape
    first = RESNET_WIDTHS[0]
    parameters, activations = 9 * channels * first + 2 * first, prod(shape) + 2 * first * height * width
    largest, channels = max(prod(shape), first * height * width), first
    for stage, outputs in enumerate(RESNET_WIDTHS):
        for block in range(BLOCKS_PER_STAGE):
            halved = bool(stage) and not block
            height, width = (ceil(height / 2), ceil(width / 2)) if halved else (height, width)
            parameters += 9 * (channels + outputs) * outputs + 4 * outputs
            activations += (4 + halved) * outputs * height * width
            parameters += (channels + 2) * outputs if halved else 0
            channels = outputs
    parameters += (channels + 1) * classes
    return ModelSize(parameters, FLOAT * (activations + channels), FLOAT * max(largest, channels, classes))


def resnet9(shape: tuple[int, ...], classes: int) -> ModelSize:
    """Whitened patches, then three stages of two convolutions; the way back ends at the first stage."""
    channels, height, width = whitened_channels(shape[0]), shape[1] - PATCH_SIDE + 1, shape[2] - PATCH_SIDE + 1
    parameters, saved, largest = 0, FLOAT * channels * height * width, max(prod(shape), channels * height * width)
    for outputs in RESNET9_WIDTHS:
        parameters += 9 * (channels + outputs) * outputs + 4 * outputs
        convolved = outputs * height * width
        height, width, channels = ceil(height / 2), ceil(width / 2), outputs
        pooled = outputs * height * width
        saved += FLOAT * convolved + (INDEX + 6 * FLOAT) * pooled
        largest = max(largest, convolved)
    saved += (INDEX + FLOAT) * channels
    return ModelSize(parameters + channels * classes, saved, FLOAT * max(largest, channels, classes))


def whitened_channels(channels: int) -> int:
    """How many channels whitened patches have: each of a patch's principal components with either sign."""
    return 2 * channels * PATCH_SIDE**2


def trained_bytes(size: ModelSize, states: int) -> int:
    """Return what a model takes that is being trained: weights, gradients and the optimizer's states of each."""
    return FLOAT * size.parameters * (2 + states)
