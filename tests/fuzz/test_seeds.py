"""What fuzzing came across stays readable, or is refused in words."""

import pytest

from tests.fuzz.inputs import FOLDER
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_a_stranger_raises_what_is_not_ours(target: str) -> None:
    seeds = sorted((FOLDER / target).iterdir())

    assert seeds
    for seed in seeds:
        TARGETS[target](seed.read_bytes())
