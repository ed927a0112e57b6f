"""A small convolutional network for small images."""

from torch import nn

WIDTHS = (32, 64, 128)


def cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Images of shape (batch, channels, height, width), at least 8 pixels high and wide → logits (batch, classes)."""
    channels = (input_shape[0], *WIDTHS)
    stages = [_stage(inputs, outputs) for inputs, outputs in zip(channels, WIDTHS, strict=False)]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * WIDTHS[-1], classes))


def _stage(inputs: int, outputs: int) -> nn.Module:
    """Convolve, then halve height and width."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.MaxPool2d(2, ceil_mode=True), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
