"""How many rows are measured at a time. Torch-free: the API plans with it."""

from math import prod

MEASURING_BATCH, MEASURING_BYTES = 2048, 64 << 20
"""Rows that are measured at a time, and what they may take as float32, unless one alone takes more."""
MEASURED_IMAGES = 256
"""What convolutions make of more images at a time does not fit into a processor's cache: 2,048 take twice as long."""
IMAGE_AXES = 3
"""Channels, height, width."""


def measuring_batch_size(shape: tuple[int, ...]) -> int:
    """How many inputs of this shape are measured at a time."""
    most = MEASURED_IMAGES if len(shape) == IMAGE_AXES else MEASURING_BATCH
    return min(most, max(1, MEASURING_BYTES // max(4 * prod(shape), 1)))
