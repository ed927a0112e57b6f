"""Retained samples come before pruned ones, each from the highest priority to the lowest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ted_core.selection.sampling.ranking import best_first

FLOATS = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, float("inf"), float("-inf")])


@given(st.lists(st.tuples(FLOATS, st.booleans())))
def test_the_order_is_that_of_a_plain_sort(samples: list[tuple[float, bool]]) -> None:
    priority, retained = (
        np.array([one for one, _ in samples], np.float32),
        np.array([kept for _, kept in samples], bool),
    )

    found = best_first(priority, retained)

    plain = sorted(range(len(samples)), key=lambda sample: (not samples[sample][1], -samples[sample][0], sample))
    assert found.tolist() == plain
