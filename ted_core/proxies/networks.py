"""Networks trained from nothing: a perceptron, a small convolutional network, a ResNet-18."""

import math

from torch import Tensor, nn

from ted_core.proxies.model_size import BLOCKS_PER_STAGE, CNN_WIDTHS, HIDDEN, RESNET_WIDTHS


def mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Inputs of any shape, flattened → logits of shape (batch, classes)."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(math.prod(input_shape), HIDDEN), nn.ReLU(inplace=True), nn.Linear(HIDDEN, classes)
    )


def cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Images of shape (batch, channels, height, width), at least 8 pixels high and wide → logits (batch, classes)."""
    channels = (input_shape[0], *CNN_WIDTHS)
    stages = [_cnn_stage(inputs, outputs) for inputs, outputs in zip(channels, CNN_WIDTHS, strict=False)]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * CNN_WIDTHS[-1], classes))


def _cnn_stage(inputs: int, outputs: int) -> nn.Module:
    """Convolve, then halve height and width."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.MaxPool2d(2, ceil_mode=True), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def resnet18(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Images of shape (batch, channels, height, width) → logits (batch, classes).

    ResNet-18 in its CIFAR form (He et al. 2015, arXiv 1512.03385): a 3x3 stem and no max-pooling.
    """
    stem = [_convolution(input_shape[0], RESNET_WIDTHS[0]), nn.BatchNorm2d(RESNET_WIDTHS[0]), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(RESNET_WIDTHS[-1], classes)]
    return nn.Sequential(*stem, *_residual_stages(), *head)


def _residual_stages() -> list[nn.Module]:
    blocks: list[nn.Module] = []
    width = RESNET_WIDTHS[0]
    for stage, outputs in enumerate(RESNET_WIDTHS):
        for block in range(BLOCKS_PER_STAGE):
            blocks.append(ResidualBlock(width, outputs, stride=2 if stage and not block else 1))
            width = outputs
    return blocks


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, which is a 1x1 convolution if the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _convolution(inputs, outputs, stride=stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            _convolution(outputs, outputs),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = _shortcut(inputs, outputs, stride=stride)

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.relu(self.residual(images) + self.shortcut(images))


def _shortcut(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
