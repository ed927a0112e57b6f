"""scikit-learn's digits, clean and with noise in the labels."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ted_core.datasets import Samples
from tests.ted_core import examples

NOISE = 0.2


@pytest.fixture(scope="session")
def digits() -> Samples:
    """1,797 handwritten digits as vectors of 64 pixels."""
    data = load_digits()
    return examples.samples(data.data.astype(np.float32), data.target)


@pytest.fixture(scope="session")
def flipped(digits: Samples) -> np.ndarray:
    """The fifth of the digits whose label is wrong in ``noisy_digits``."""
    return np.random.default_rng(7).random(len(digits)) < NOISE


@pytest.fixture(scope="session")
def noisy_digits(digits: Samples, flipped: np.ndarray) -> Samples:
    """The digits, a fifth of them with the label of another digit."""
    moved = np.random.default_rng(8).integers(1, 10, len(digits))
    return examples.samples(digits.inputs, np.where(flipped, (digits.labels + moved) % 10, digits.labels))
