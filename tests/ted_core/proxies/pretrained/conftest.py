"""The tiny encoder that most tests of texts read."""

from pathlib import Path

import pytest

from tests.ted_core.proxies.pretrained.models import tiny_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny encoder; to be read, not changed."""
    return tiny_encoder(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with here was calculated in float32, which a processor with bfloat16 would not use."""
    monkeypatch.setattr("ted_core.proxies.pretrained.encoder.multiplies_bfloat16", lambda _: False)
