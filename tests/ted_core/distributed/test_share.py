"""However many ranks share a batch, each of its rows is taken by exactly one of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ted_core.distributed.share import WHOLE, Share, owner_quotas


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]


@given(rows=st.integers(0, 60), batch_size=st.integers(2, 17), count=st.integers(1, 5))
def test_the_shares_of_a_batch_are_its_rows_each_once(rows: int, batch_size: int, count: int) -> None:
    shares = [Share(place, count) for place in range(count)]
    order = shares[0].full_batches(np.random.default_rng(rows).permutation(rows), batch_size)

    owned = [share.of_batches(order, batch_size) for share in shares]

    for number, batch in enumerate(batches(order, batch_size)):
        own = [
            batches(one, max(1, share.size(batch_size)))[number]
            for one, share in zip(owned, shares, strict=True)
            if share.size(batch_size)
        ]
        assert sorted(np.concatenate(own).tolist()) == sorted(batch.tolist())


@given(rows=st.integers(0, 60), batch_size=st.integers(5, 17), count=st.integers(1, 5))
def test_every_share_has_a_row_of_every_batch(rows: int, batch_size: int, count: int) -> None:
    order = (
        WHOLE.full_batches(np.arange(rows), batch_size)
        if count == 1
        else Share(0, count).full_batches(np.arange(rows), batch_size)
    )

    sizes = [Share(place, count).size(len(batch)) for batch in batches(order, batch_size) for place in range(count)]

    assert all(sizes)
    assert rows - len(order) < max(2, count), "no more is left out than has to be"


@given(rows=st.integers(0, 60), count=st.integers(1, 5))
def test_the_stretches_are_all_rows_each_once(rows: int, count: int) -> None:
    stretches = [Share(place, count).stretch(np.arange(rows)) for place in range(count)]

    assert np.concatenate(stretches).tolist() == list(range(rows))
    assert max(map(len, stretches)) - min(map(len, stretches)) <= 1


@given(rows=st.lists(st.integers(0, 40), min_size=2, max_size=4), batch_size=st.integers(2, 17))
def test_owners_have_their_share_of_every_step_and_steps_are_alike(rows: list[int], batch_size: int) -> None:
    quotas = owner_quotas(np.array(rows), batch_size)

    steps, exact = max(1, -(-sum(rows) // batch_size)), np.array(rows) / max(1, -(-sum(rows) // batch_size))
    assert (np.abs(quotas - exact) < 1).all()
    assert (quotas.sum(1) >= 2).all()
    if len(quotas) == steps:
        assert quotas.sum(0).tolist() == rows, "each row is in one step"
    else:
        assert sum(rows) - quotas.sum() <= steps - len(quotas), "no step is left out but one of a single row"
