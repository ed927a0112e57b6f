"""Small data sets in memory."""

import numpy as np

from ted_core.datasets import Samples


def samples(inputs: np.ndarray, labels: np.ndarray) -> Samples:
    """These inputs and labels as the only rows of a dataset."""
    rows = np.arange(len(labels), dtype=np.uint64)
    classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    return Samples(inputs, labels.astype(np.int64), classes, rows, rows=len(rows))


def random_vectors(rows: int, *, features: int = 4, classes: int = 2, seed: int = 0) -> Samples:
    """Vectors with labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, features)).astype(np.float32)
    return samples(inputs, _each_class(rng, rows, classes))


def random_images(rows: int, *, channels: int = 1, side: int = 8, classes: int = 2, seed: int = 0) -> Samples:
    """Images with labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 256, (rows, channels, side, side), dtype=np.uint8)
    return samples(inputs, _each_class(rng, rows, classes))


def _each_class(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    return rng.permutation(np.arange(rows) % classes)
