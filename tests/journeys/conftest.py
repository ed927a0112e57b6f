"""The digits, and the whole service running on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ted_cli.demo_data import write_digits
from tests.servers.stacks import Up, ted_up


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a Parquet file of digits."""
    train, _ = write_digits(tmp_path_factory.mktemp("data"))
    return train


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Up]:
    """Yield one running service for all tests that leave it unchanged."""
    with ted_up(tmp_path_factory.mktemp("home"), roots=digits.parent) as running:
        yield running
