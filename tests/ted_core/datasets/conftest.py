"""Object stores for the tests that need one."""

from collections.abc import Iterator

import pytest

from tests.servers import object_stores


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
