"""An object store for the tests that need one."""

from collections.abc import Iterator

import pytest

from tests import stores


@pytest.fixture(scope="session")
def s3() -> Iterator[stores.Store]:
    """A running store."""
    with stores.s3() as running:
        yield running


@pytest.fixture
def store(s3: stores.Store) -> Iterator[stores.Store]:
    """The store, which this process finds by its environment."""
    with stores.reached(s3.environment):
        yield s3
