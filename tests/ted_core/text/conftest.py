"""The tiny encoder that most tests of texts read."""

from pathlib import Path

import pytest

from tests.ted_core.text.models import tiny_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny encoder; to be read, not changed."""
    return tiny_encoder(tmp_path_factory.mktemp("models") / "tiny-bert")
