"""The examples in the docstrings of the client."""

import doctest
from types import ModuleType

import pytest

from ted_client import client, retry


@pytest.mark.parametrize("module", [client, retry])
def test_the_examples_in_docstrings_run(module: ModuleType) -> None:
    outcome = doctest.testmod(module)

    assert outcome.attempted > 0
    assert outcome.failed == 0
