"""Row indices lie in a file that the workers of a loader share, and that goes with them."""

import gc
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from ted_client.subset import retained
from ted_client.subset.mapped_rows import MappedRows
from ted_core.results.manifest import read_manifest
from ted_core.results.manifest_writer import write_manifest
from tests.ted_core.datasets.files import parquet
from tests.ted_core.results.decided import KEPT, ROWS, decided, provenance


class RowNumbers(Dataset[int]):
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> int:
        assert type(row) is int
        return row


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    data = parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))
    return write_manifest(tmp_path, decided(), provenance=provenance(data)).manifest


def test_they_are_the_manifests_rows_and_take_eight_bytes_each(manifest: Path) -> None:
    rows = MappedRows.of(read_manifest(manifest))

    assert list(rows) == rows[:] == list(KEPT)
    assert (rows.array.dtype, rows.path.stat().st_size) == (np.int64, 8 * len(KEPT))


def test_a_copy_for_another_process_reads_the_same_file(manifest: Path) -> None:
    rows = MappedRows.of(read_manifest(manifest))

    pickled = pickle.dumps(rows)

    copy = pickle.loads(pickled)  # noqa: S301 - our own
    assert (copy.path, list(copy)) == (rows.path, list(KEPT))
    assert len(pickled) < 300


def test_the_file_goes_when_nobody_needs_it_any_more(manifest: Path) -> None:
    rows = MappedRows.of(read_manifest(manifest))
    path = rows.path

    copy = pickle.loads(pickle.dumps(rows))  # noqa: S301 - our own
    del copy
    gc.collect()
    assert path.exists()

    del rows
    gc.collect()
    assert not path.exists()


def test_a_manifest_that_keeps_nothing_has_no_rows(tmp_path: Path) -> None:
    data = parquet(tmp_path / "data.parquet", x=[float(row) for row in range(ROWS)], label=[0, 1] * (ROWS // 2))
    written = write_manifest(tmp_path, decided(kept=()), provenance=provenance(data))

    assert list(MappedRows.of(read_manifest(written.manifest))) == []


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_two_workers_load_each_retained_row_once(manifest: Path, start: str) -> None:
    context = multiprocessing.get_context(start)
    subset = retained(RowNumbers(), manifest)

    loader = DataLoader(subset, batch_size=1, num_workers=2, multiprocessing_context=context)

    assert sorted(int(batch) for batch in loader) == list(KEPT)


def test_ranks_share_the_retained_rows(manifest: Path) -> None:
    subset = retained(RowNumbers(), manifest)

    parts = [
        [int(row) for row in DataLoader(subset, sampler=DistributedSampler(subset, 2, rank), batch_size=None)]
        for rank in (0, 1)
    ]

    assert sorted(parts[0] + parts[1]) == list(KEPT)
