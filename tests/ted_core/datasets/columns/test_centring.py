"""Numbers that differ stay different in float32, wherever they lie; ordinary ones stay as they are."""

from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ted_core.datasets.columns.centring import Origins, reader_of
from tests.ted_core.datasets.files import loaded, parquet

ROWS = 400
rng = np.random.default_rng(0)
OFFSETS = rng.permutation(20_000)[:ROWS].tolist()
LABELS = [0, 1] * (ROWS // 2)
EXACT = Context(prec=80)
LARGE: dict[str, pa.Array] = {
    "epoch milliseconds": pa.array([1_764_460_000_000 + offset for offset in OFFSETS]),
    "the same as fractions": pa.array([1_764_460_000_000.0 + offset for offset in OFFSETS]),
    "epoch seconds in 32 bits": pa.array([1_764_460_000 + offset for offset in OFFSETS], pa.int32()),
    "unsigned": pa.array([4_000_000_000 + offset for offset in OFFSETS], pa.uint32()),
    "ids beyond 2^53": pa.array([2**60 + offset for offset in OFFSETS]),
    "negative": pa.array([-(2**60) - offset for offset in OFFSETS]),
    "ids beyond 2^63": pa.array([2**63 + offset for offset in OFFSETS], pa.uint64()),
    "the largest": pa.array([2**64 - 1 - offset for offset in OFFSETS], pa.uint64()),
    "decimals": pa.array([EXACT.add(Decimal(10) ** 30, offset) for offset in OFFSETS], pa.decimal128(38, 2)),
    "wide decimals": pa.array([EXACT.add(Decimal(10) ** 60, offset) for offset in OFFSETS], pa.decimal256(70, 2)),
    "a small range of fractions": pa.array([1e6 + offset * 1e-6 for offset in OFFSETS]),
}
ORDINARY: dict[str, Any] = {
    "years": [1990 + row % 30 for row in range(ROWS)],
    "from 0": [row * 10**7 for row in range(ROWS)],
    "around 0": [(row - 200) * 10**7 for row in range(ROWS)],
    "fractions": rng.normal(300, 5, ROWS).tolist(),
    "a large constant": [2**60] * ROWS,
    "the rounding of a constant": [0.1 + 0.2, 0.3] * (ROWS // 2),
    "exact in float32": pa.array([1e6 + row / 16 for row in range(ROWS)], pa.float32()),
    "truth": [True, False] * (ROWS // 2),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("missing", ["refuse", "impute"])
def test_numbers_that_lie_far_from_0_stay_different(tmp_path: Path, name: str, missing: str) -> None:
    path = parquet(tmp_path / "data.parquet", x=LARGE[name], label=LABELS)

    inputs = loaded(path, missing=missing).inputs.ravel()

    assert len(np.unique(inputs)) == ROWS
    order = sorted(range(ROWS), key=LARGE[name].to_pylist().__getitem__)
    assert (np.diff(inputs[order]) > 0).all()


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_numbers_stay_as_they_are(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "data.parquet", x=ORDINARY[name], label=LABELS)

    expected = np.array(pa.array(ORDINARY[name]).to_pylist(), np.float64).astype(np.float32)
    assert (loaded(path).inputs.ravel() == expected).all()


def test_a_missing_number_becomes_the_median_of_what_the_others_become(tmp_path: Path) -> None:
    numbers = [2**60 + row if row % 4 else None for row in range(ROWS)]

    inputs = loaded(parquet(tmp_path / "data.parquet", x=numbers, label=LABELS), missing="impute").inputs

    present = inputs[np.arange(ROWS) % 4 > 0, 0]
    assert inputs[:, 1].sum() == ROWS / 4
    assert (inputs[::4, 0] == np.median(present)).all()
    assert len(np.unique(present)) == 3 * ROWS / 4


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.list_(pa.float64(), 2), pa.large_list(pa.float64())])
def test_each_place_in_a_list_has_its_own_origin(tmp_path: Path, kind: pa.DataType) -> None:
    rows = pa.array([[1_764_460_000_000 + offset, offset] for offset in OFFSETS], kind)

    inputs = loaded(parquet(tmp_path / "data.parquet", x=rows, label=LABELS), input="x").inputs

    assert [len(np.unique(feature)) for feature in inputs.T] == [ROWS, ROWS]
    assert inputs[:, 1].tolist() == OFFSETS


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.float64, ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_have_origins_too(tmp_path: Path, kind: Any, order: Any) -> None:
    rows = np.array([[1_764_460_000_000 + offset, offset] for offset in OFFSETS]).astype(kind, order=order)
    np.savez(tmp_path / "data.npz", x=rows, y=LABELS)

    inputs = loaded(tmp_path / "data.npz", format="npz").inputs

    assert [len(np.unique(feature)) for feature in inputs.T] == [ROWS, ROWS]
    assert inputs[:, 1].tolist() == OFFSETS


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20),
        st.integers(-(2**62), 2**62).flatmap(
            lambda origin: st.lists(st.integers(origin, origin + 10**6), min_size=1, max_size=20)
        ),
    ),
    st.integers(1, 20),
)
def test_what_is_read_is_the_distance_from_one_number(numbers: list[int], step: int) -> None:
    column = pa.chunked_array([numbers[start : start + step] for start in range(0, len(numbers), step)])

    read = reader_of(column)
    values = np.concatenate([read(chunk) for chunk in column.chunks])
    rows = np.array(numbers)[:, None]
    block_values = Origins.of([rows[:step], rows[step:]]).apply(rows).ravel()

    exact = [number - numbers[0] for number in numbers]
    spread = max(numbers) - min(numbers)
    size = max(map(abs, numbers))
    error = max(spread, size if spread > size / 2 else 0) * 2.0**-22
    assert values.tolist() == block_values.tolist()
    if spread:
        assert np.abs(values.astype(np.float64) - values[0] - exact).max() <= error


def test_rows_in_another_order_become_the_same_numbers(tmp_path: Path) -> None:
    numbers = LARGE["epoch milliseconds"].to_numpy()
    order = rng.permutation(ROWS)

    first = loaded(parquet(tmp_path / "a.parquet", x=numbers, label=LABELS)).inputs
    second = loaded(parquet(tmp_path / "b.parquet", x=numbers[order], label=LABELS)).inputs

    assert (first[order] == second).all()
