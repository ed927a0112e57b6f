"""Batches become the same table in memory and on disk."""

import gc
from pathlib import Path

import pyarrow as pa
import pytest

from ted_core.datasets import Limits
from ted_core.datasets.columns.spooled_table import SpooledTable, spool_table
from ted_core.errors import DatasetTooLarge

BATCHES = [
    pa.record_batch(
        {
            "number": pa.array([1.5, None]),
            "text": ["naïve", None],
            "category": pa.array([f"city {number}", "everywhere"]).dictionary_encode(),
            "view": pa.array(["a", "b"], pa.string_view()),
            "list": pa.array([[1, 2], [3, number]], pa.list_(pa.float32(), 2)),
        }
    )
    for number in range(5)
]
WHOLE = pa.Table.from_batches(BATCHES)


def on_disk(folder: Path, **choices: int) -> Limits:
    return Limits(memory_bytes=1, cache=folder, **choices)


def test_what_was_written_is_the_same_and_takes_no_memory(tmp_path: Path) -> None:
    gc.collect()  # what other tests have left would be freed meanwhile
    before = pa.total_allocated_bytes()

    table = spool_table(BATCHES, on_disk(tmp_path))

    assert pa.total_allocated_bytes() <= before
    assert table.schema == WHOLE.schema
    assert table.to_pylist() == WHOLE.to_pylist()


def test_no_file_has_a_name(tmp_path: Path) -> None:
    table = spool_table(BATCHES, on_disk(tmp_path / "cache"))

    assert list((tmp_path / "cache").iterdir()) == []
    assert table["number"].to_pylist() == WHOLE["number"].to_pylist()


@pytest.mark.parametrize("memory", [1, 200 * 4, None])
def test_a_column_may_be_dropped_on_the_way(tmp_path: Path, memory: int | None) -> None:
    spooled = SpooledTable(Limits(memory_bytes=memory, cache=tmp_path))
    names = [name for name in WHOLE.column_names if name != "text"]
    for batch in [*BATCHES[:2], *(batch.select(names) for batch in BATCHES[2:])]:
        spooled.add(batch)

    assert spooled.table().to_pylist() == WHOLE.select(names).to_pylist()


def test_more_than_the_disk_may_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetTooLarge, match="4 rows of 5 columns"):
        spool_table(BATCHES, on_disk(tmp_path, cache_bytes=sum(batch.nbytes for batch in BATCHES[:2]) - 1))
