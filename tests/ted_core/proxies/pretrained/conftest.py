"""Pretrained models are compared in float32."""

import pytest


@pytest.fixture(autouse=True)
def _in_float32(in_float32: None) -> None:
    """Every test here."""
