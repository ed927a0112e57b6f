"""The samples from the one that would be pruned last to the one that would be kept last."""

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt32

POSITION_BITS = 31
POSITION = (1 << POSITION_BITS) - 1
SIGN = np.uint32(1 << 31)


def best_first(
    priority: Float32[np.ndarray, " samples"], retained: Bool[np.ndarray, " samples"]
) -> Int64[np.ndarray, " samples"]:
    """The positions of retained samples, then of the others, each by decreasing priority, then by position.

    What decides is packed into one number for each sample, since numbers are sorted several times as fast as positions.
    There are fewer than 2³¹ samples.
    """
    assert len(priority) <= POSITION, "a process that holds more samples than that ranks them in parts"  # noqa: S101
    packed = _descending(priority).astype(np.uint64)
    packed |= (~retained).astype(np.uint64) << np.uint64(32)
    packed <<= np.uint64(POSITION_BITS)
    packed |= np.arange(len(priority), dtype=np.uint64)
    packed.sort()
    packed &= np.uint64(POSITION)
    return packed.view(np.int64)


def _descending(values: Float32[np.ndarray, " samples"]) -> UInt32[np.ndarray, " samples"]:
    """Whole numbers that are the smaller, the higher the value: floats are ordered like their bits, up to the sign."""
    bits = (values + np.float32(0)).view(np.uint32)  # -0 becomes 0
    return np.where(bits & SIGN, bits, ~(bits | SIGN))
