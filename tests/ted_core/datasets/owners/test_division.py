"""Files are divided among owners in their order, and about equally by rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets.owners.division import divided
from ted_core.errors import TooFewShards


@pytest.mark.parametrize(
    ("rows", "owners", "files"),
    [
        ([10, 10, 10, 10], 2, [[0, 1], [2, 3]]),
        ([10, 10, 10, 10], 4, [[0], [1], [2], [3]]),
        ([30, 5, 5, 5], 2, [[0], [1, 2, 3]]),
        ([1, 1, 1, 100], 2, [[0, 1, 2], [3]]),
        ([0, 5, 0, 5, 0], 2, [[0, 1, 2], [3, 4]]),
        ([100, 1, 1], 3, [[0], [1], [2]]),
    ],
)
def test_borders_lie_where_parts_are_most_alike(rows: list[int], owners: int, files: list[list[int]]) -> None:
    assert [list(range(len(rows)))[part] for part in divided(rows, owners)] == files


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 6))
def test_every_owner_has_rows_and_every_file_an_owner(rows: list[int], owners: int) -> None:
    if sum(map(bool, rows)) < owners > 1:
        with pytest.raises(TooFewShards):
            divided(rows, owners)
        return
    parts = divided(rows, owners)

    assert [file for part in parts for file in range(len(rows))[part]] == list(range(len(rows)))
    assert owners == 1 or all(sum(rows[part]) > 0 for part in parts)
