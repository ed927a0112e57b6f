"""How many rows are measured at a time. Torch-free: the API plans with it."""

from math import prod

MEASURING_BATCH, MEASURING_BYTES = 2048, 64 << 20
"""Rows that are measured at a time, and what they may take as float32, unless one alone takes more."""


def measuring_batch_size(shape: tuple[int, ...]) -> int:
    """How many inputs of this shape are measured at a time."""
    return min(MEASURING_BATCH, max(1, MEASURING_BYTES // max(4 * prod(shape), 1)))
