"""Patterns describe names as regular expressions would, without their appetite for time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets.sources.name_pattern import MOST_STARS, NamePattern
from ted_core.errors import DatasetNotFound


@given(st.text("ab*", max_size=12).filter(lambda text: text.count("*") <= MOST_STARS), st.text("ab\n", max_size=12))
def test_a_pattern_describes_what_the_same_regular_expression_does(pattern: str, name: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))

    assert NamePattern.parse(pattern).matches(name) == bool(re.fullmatch(expression, name, re.DOTALL))


def test_asterisks_are_counted_however_they_stand() -> None:
    NamePattern.parse("a*" * MOST_STARS)

    for pattern in ("a*" * (MOST_STARS + 1), "*" * (MOST_STARS + 1)):
        with pytest.raises(DatasetNotFound, match="may hold 8 asterisks; this one holds 9"):
            NamePattern.parse(pattern)


def test_no_pattern_takes_long_to_fail() -> None:
    name = "a" * 65_536
    start = time.perf_counter()

    assert not NamePattern.parse("*a" * MOST_STARS + "b").matches(name)
    assert not NamePattern.parse("*".join(["a" * 5_000 + "b"] * MOST_STARS)).matches(name + "b")
    assert time.perf_counter() - start < 0.05
