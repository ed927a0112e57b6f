"""scikit-learn's digits, clean and with noise in the labels; a tiny encoder; object stores for those that need one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ted_core.datasets import Samples
from tests.servers import object_stores
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


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny encoder; to be read, not changed."""
    from tests.ted_core.proxies.pretrained.models import tiny_encoder  # noqa: PLC0415 - transformers take seconds

    return tiny_encoder(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with was calculated in float32, which a processor with bfloat16 would not use."""
    monkeypatch.setattr("ted_core.proxies.pretrained.encoder.multiplies_bfloat16", lambda _: False)


@pytest.fixture(scope="session")
def s3() -> Iterator[object_stores.Store]:
    """A running store."""
    with object_stores.s3() as running:
        yield running


@pytest.fixture(scope="session")
def google() -> Iterator[object_stores.Store]:
    """A running store of Google's kind."""
    with object_stores.google() as running:
        yield running


@pytest.fixture
def store(s3: object_stores.Store) -> Iterator[object_stores.Store]:
    """The store, which this process finds by its environment."""
    with object_stores.reached(s3.environment):
        yield s3


@pytest.fixture(params=["s3", "google"])
def any_store(request: pytest.FixtureRequest) -> Iterator[object_stores.Store]:
    """Each store, found in the same way."""
    running: object_stores.Store = request.getfixturevalue(request.param)
    with object_stores.reached(running.environment):
        yield running
