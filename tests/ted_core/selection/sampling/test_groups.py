"""Rows are found by their group, and take places in it."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ted_core.selection.sampling.groups import first_rows, rows_by_group, take_places


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1) | st.lists(st.integers(0, 300), min_size=1, max_size=9))
@example([70_000, 3, 70_000])
def test_each_group_has_its_rows_in_order_and_begins_with_the_first(groups: list[int]) -> None:
    found, first = rows_by_group(np.array(groups)), first_rows(np.array(groups))

    own: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        own.setdefault(group, []).append(row)
    assert {group: rows.tolist() for group, rows in enumerate(found) if len(rows)} == own
    assert {group: row for group, row in enumerate(first.tolist()) if row < len(groups)} == {
        group: rows[0] for group, rows in own.items()
    }


def test_places_of_a_group_follow_each_other_row_by_row() -> None:
    following = np.array([10, 20, 30])

    places = take_places(np.array([1, 0, 1, 1, 0]), following)

    assert places.tolist() == [20, 10, 21, 22, 11]
    assert following.tolist() == [12, 23, 30]
