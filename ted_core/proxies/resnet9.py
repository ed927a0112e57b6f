"""A small residual network for small images that learns in a few epochs, on a CPU too.

Three ideas make it quick, after Page 2018 ("How to train your ResNet") and Jordan 2024 (arXiv 2404.00498): its first
layer is no trained one but decorrelates the images' patches; each stage halves the image before most of the work is
done; and its logits are scaled down, so that large learning rates do no harm.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ted_core.proxies.model_size import PATCH_SIDE, RESNET9_WIDTHS, whitened_channels

LOGIT_SCALE = 1 / 8
SMALLEST_VARIANCE = 5e-4
"""Added to the variance along each principal component: those of next to none would be noise, blown up."""
PATCHES_PER_SIDE = 32
"""Of larger images, about so many patches in each direction tell the covariance."""


def resnet9(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Images of shape (batch, channels, height, width), at least 3 pixels high and wide → logits (batch, classes)."""
    widths = (whitened_channels(input_shape[0]), *RESNET9_WIDTHS)
    stages = [_stage(inputs, outputs) for inputs, outputs in zip(widths, RESNET9_WIDTHS, strict=False)]
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes, bias=False), Scaled(LOGIT_SCALE)]
    return nn.Sequential(PatchWhitening(input_shape[0]), nn.GELU(), *stages, *head)


def _stage(inputs: int, outputs: int) -> nn.Module:
    """Convolve, halve height and width, then convolve once more beside a shortcut."""
    return nn.Sequential(
        _convolution(inputs, outputs),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
        Residual(nn.Sequential(_convolution(outputs, outputs), nn.BatchNorm2d(outputs), nn.GELU())),
    )


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)


class Residual(nn.Module):
    """What a module makes of its inputs, added to them."""

    def __init__(self, change: nn.Module) -> None:
        super().__init__()
        self.change = change

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.add(inputs, self.change(inputs))


class Scaled(nn.Module):
    """Its inputs times a constant."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, inputs: Tensor) -> Tensor:
        return self.scale * inputs


class PatchWhitening(nn.Module):
    """Patches of 2x2 pixels → their principal components, each with variance 1, and the same with the other sign.

    The components are those of the first batch that is trained on; from then on they stay. They are buffers, so that a
    checkpoint holds them. Until then the pixels pass as they are.
    """

    filters: Tensor
    is_fitted: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.patch = (channels, PATCH_SIDE, PATCH_SIDE)
        pixels = torch.eye(channels * PATCH_SIDE**2)
        self.register_buffer("filters", self._signed(pixels))
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Tensor:
        if self.training and not images.is_meta and not self.is_fitted:
            self.fit(images)
        return functional.conv2d(images, self.filters)

    @torch.no_grad()
    def fit(self, images: Float[Tensor, "batch channels height width"]) -> None:
        """Take the components of these images, in double precision on the CPU: equal images give equal filters."""
        stride = tuple(max(1, side // PATCHES_PER_SIDE) for side in images.shape[2:])
        patches = functional.unfold(images.contiguous(), PATCH_SIDE, stride=stride).transpose(1, 2).flatten(0, 1)
        self.filters.copy_(self._signed(whitening(patches.cpu().double())))
        self.is_fitted.fill_(True)

    def _signed(self, components: Float[Tensor, "components pixels"]) -> Tensor:
        return torch.cat([components, -components]).reshape(-1, *self.patch).float()


def whitening(patches: Float[Tensor, "patches pixels"]) -> Float[Tensor, "components pixels"]:
    """The directions of largest variance first, scaled so that the patches vary by 1 along each."""
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    components: Tensor = directions / (variances.clamp(min=0) + SMALLEST_VARIANCE).sqrt()
    return components.T.flip(0)
