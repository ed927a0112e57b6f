"""Rows that hold whole files come in batches of which memory has room for one."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ted_core.datasets.file_batches import BATCH_BYTES, BATCH_FILES, batched_by_size

MIB = 1 << 20


def sizes(items: list[int]) -> list[list[int]]:
    return list(batched_by_size(items, size=lambda item: item))


def test_a_batch_ends_when_it_holds_enough_files_or_bytes() -> None:
    assert [len(batch) for batch in sizes([1] * 600)] == [256, 256, 88]
    assert sizes([40 * MIB, 24 * MIB, 1, 65 * MIB, 1]) == [[40 * MIB, 24 * MIB], [1], [65 * MIB], [1]]
    assert sizes([]) == []


@given(st.lists(st.integers(0, 2 * BATCH_BYTES)))
def test_batches_are_within_bounds_and_as_long_as_they_can_be(items: list[int]) -> None:
    batches = sizes(items)

    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == 1 or sum(batch) <= BATCH_BYTES for batch in batches)
    for batch, following in itertools.pairwise(batches):
        assert len(batch) == BATCH_FILES or sum(batch) + following[0] > BATCH_BYTES
