"""Object stores for the tests that need one."""

from collections.abc import Iterator

import pytest

from tests import stores


@pytest.fixture(scope="session")
def s3() -> Iterator[stores.Store]:
    """A running store."""
    with stores.s3() as running:
        yield running


@pytest.fixture(scope="session")
def google() -> Iterator[stores.Store]:
    """A running store of Google's kind."""
    with stores.google() as running:
        yield running


@pytest.fixture
def store(s3: stores.Store) -> Iterator[stores.Store]:
    """The store, which this process finds by its environment."""
    with stores.reached(s3.environment):
        yield s3


@pytest.fixture(params=["s3", "google"])
def any_store(request: pytest.FixtureRequest) -> Iterator[stores.Store]:
    """Each store, found in the same way."""
    running: stores.Store = request.getfixturevalue(request.param)
    with stores.reached(running.environment):
        yield running
